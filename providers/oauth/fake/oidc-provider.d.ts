/** The parts of oidc-provider that the stand-in uses; the package has no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface TokenModel {
    resourceServer?: unknown
    scope?: string | undefined
    rar?: unknown
    readonly expiration: number
    readonly tokenType: string
    save(): Promise<string>
  }

  export interface GrantContext {
    readonly oidc: {
      readonly client: { readonly clientId: string; readonly scope?: string }
      readonly params: Readonly<Record<string, string | undefined>>
    }
    body: unknown
  }

  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly ClientCredentials: new (fields: object) => TokenModel
    readonly Grant: new (fields: { readonly accountId: string; readonly clientId: string }) => {
      addOIDCScope(scope: string): void
      addResourceScope(resource: string, scope: string): void
      save(): Promise<string>
    }
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{ readonly params: Readonly<Record<string, string | undefined>> }>
    interactionFinished(request: IncomingMessage, response: ServerResponse, result: object): Promise<void>
    readonly ResourceServer: new (identifier: string, info: object) => unknown
    /** Takes its own address from X-Forwarded headers. */
    proxy: boolean
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    registerGrantType(
      name: string,
      handler: (context: GrantContext) => Promise<void>,
      parameters: readonly string[],
      duplicates?: readonly string[],
    ): void
  }

  type Failure = new (description?: string) => Error
  export const errors: {
    readonly InvalidTarget: Failure
    readonly InvalidRequest: Failure
    readonly InvalidScope: Failure
    readonly InvalidAuthorizationDetails: Failure
  }
}
