"""SigV4 for OpenSearch. Invariant: credentials are asked for at each signature, so that rotated ones keep working."""

from requests.auth import AuthBase

from tailrace.errors import UserError


def build_auth(service: str, region: str | None = None) -> AuthBase | None:
    """What signs requests for `es` or `aoss` with the caller's own credentials; None for `none`.

    Loads the SDK only when there is something to sign. Raises UserError without credentials or a region.
    """
    if service == "none":
        return None
    import boto3
    from requests_aws4auth import AWS4Auth

    session = boto3.Session(region_name=region)
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise UserError(
            f"signing for {service} needs AWS credentials and a region; for none, set OPENSEARCH_SERVICE=none"
        )
    auth: AuthBase = AWS4Auth(region=session.region_name, service=service, refreshable_credentials=credentials)
    return auth
