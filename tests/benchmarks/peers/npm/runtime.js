// The Lambda runtime client's part for Node.js, as short as possible: ask for an event, parse it, call the handler,
// answer. The published client is a native module that would have to be compiled; this one is never slower.
const http = require('node:http')
const { handler } = require('./app.js')

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':')
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })

function call (method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, agent, path: `/2018-06-01/runtime/${path}` }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

async function main () {
  for (;;) {
    const next = await call('GET', 'invocation/next')
    const id = next.headers['lambda-runtime-aws-request-id']
    try {
      const answer = await handler(JSON.parse(next.body.toString('utf8')))
      await call('POST', `invocation/${id}/response`, JSON.stringify(answer))
    } catch (error) {
      const told = { errorType: error.name, errorMessage: error.message }
      await call('POST', `invocation/${id}/error`, JSON.stringify(told))
    }
  }
}

main()
