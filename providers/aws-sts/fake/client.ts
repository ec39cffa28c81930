import { SignatureV4 } from '@smithy/signature-v4'
import type { Credential } from '../../../src/provider/index.ts'
import { Sha256 } from '../sign.ts'
import type { AwsStandIn } from './aws.ts'

/** Reads `/BUCKET/KEY` with the parts of a credential, as any client of S3 would; answers the status. */
export async function getObject(aws: AwsStandIn, credential: Credential, path: string, now = Date.now()): Promise<number> {
  const part = (name: string): string => credential.secrets[name]?.reveal() ?? ''
  const signer = new SignatureV4({
    service: 's3',
    region: 'eu-west-1',
    credentials: { accessKeyId: part('accessKeyId'), secretAccessKey: part('secretAccessKey'), sessionToken: part('sessionToken') },
    sha256: Sha256,
    uriEscapePath: false,
  })
  const host = `127.0.0.1:${aws.port}`
  const request = { method: 'GET', protocol: 'http:', hostname: '127.0.0.1', port: aws.port, path, query: {}, headers: { host } }
  const { headers } = await signer.sign(request, { signingDate: new Date(now) })
  const { status } = await fetch(`${aws.url}${path}`, { headers })
  return status
}
