import type { ServerConfig } from '../../config/schema.ts'
import { randomAlphanumeric } from '../../core/ids.ts'
import type { LaneNetwork } from '../../egress/types.ts'
import { networkOf } from '../../sandbox/network.ts'
import type { Box } from '../../sandbox/types.ts'
import type { GatewayDeps, LaunchSpec, StandIn } from '../types.ts'

/** The command and its variables as they run: in the box, where there is one. Throws JitError `server.start`. */
export function boxLaunch(
  deps: Pick<GatewayDeps, 'policy' | 'handover'>,
  server: { readonly name: string; readonly config: ServerConfig },
  box: Box | undefined,
  network: LaneNetwork | undefined,
  launch: LaunchSpec,
  environment: Readonly<Record<string, string>>,
): { launch: LaunchSpec; environment: Readonly<Record<string, string>> } {
  if (box === undefined) return { launch, environment }
  const origins = [...(deps.policy().servers.get(server.name)?.origins ?? []), ...server.config.open]
  const files = Object.values(environment).filter((value) => value.startsWith(`${deps.handover}/`))
  const boxed = box.enter({ ...launch, files }, environment, network === undefined ? undefined : networkOf(network, origins))
  return { launch: { ...launch, ...boxed }, environment: boxed.environment }
}

/** For a server without a credential: nothing that it could send is replaced. */
export function nobody(): StandIn {
  return { placeholder: randomAlphanumeric(40), origin: 'https://nobody.invalid', authentication: 'token', environment: () => ({}) }
}
