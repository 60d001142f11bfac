// A contestant: the npm package dynamodb-stream-elasticsearch, called as its README says.
// PEER_MODE: `installed` is without any option, `bulk` is its faster way and without a refresh for every request.
const { pushStream } = require('dynamodb-stream-elasticsearch')

const options = process.env.PEER_MODE === 'bulk' ? { useBulk: true, refresh: false } : {}

exports.handler = async (event) => {
  await pushStream({ event, endpoint: process.env.OPENSEARCH_URL, ...options })
  return {}
}
