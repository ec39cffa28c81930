import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bubblewrapArguments, type BubblewrapPlan } from '../../../src/sandbox/bubblewrap.ts'
import type { Mount } from '../../../src/sandbox/types.ts'

const plan: BubblewrapPlan = { mounts: [], cwd: '/tmp', sharesNetwork: false, lowPorts: false, command: ['server', '--flag'] }
const after = (args: readonly string[], flag: string): string | undefined => args[args.indexOf(flag) + 1]

describe('the arguments of bwrap', () => {
  it('unshare everything, drop every capability, and end with the parent, whatever the plan', () => {
    for (const sharesNetwork of [true, false]) {
      const args = bubblewrapArguments({ ...plan, sharesNetwork })
      for (const flag of ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent', '--new-session'])
        expect(args).toContain(flag)
      expect(after(args, '--cap-drop')).toBe('ALL')
      expect(args.includes('--unshare-net')).toBe(!sharesNetwork)
    }
  })

  it('hold a capability only for the relay, after all were dropped', () => {
    expect(bubblewrapArguments(plan)).not.toContain('--cap-add')
    const args = bubblewrapArguments({ ...plan, lowPorts: true })
    expect(after(args, '--cap-add')).toBe('CAP_NET_BIND_SERVICE')
    expect(args.indexOf('--cap-add')).toBeGreaterThan(args.indexOf('--cap-drop'))
    expect(args.filter((arg) => arg === '--cap-add')).toHaveLength(1)
  })

  it.each<{ mount: Mount; args: string[] }>([
    { mount: { kind: 'read', source: '/a', target: '/b' }, args: ['--ro-bind', '/a', '/b'] },
    { mount: { kind: 'write', source: '/a', target: '/b' }, args: ['--bind', '/a', '/b'] },
    { mount: { kind: 'device', source: '/dev/null', target: '/dev/null' }, args: ['--dev-bind', '/dev/null', '/dev/null'] },
    { mount: { kind: 'link', text: '../x', target: '/b' }, args: ['--symlink', '../x', '/b'] },
    { mount: { kind: 'empty', target: '/tmp' }, args: ['--tmpfs', '/tmp'] },
    { mount: { kind: 'folder', target: '/work' }, args: ['--dir', '/work'] },
    { mount: { kind: 'processes', target: '/proc' }, args: ['--proc', '/proc'] },
  ])('of $mount.kind are $args', ({ mount, args }) => {
    expect(bubblewrapArguments({ ...plan, mounts: [mount] }).join(' ')).toContain(args.join(' '))
  })

  it('make no folder read-only before all is in it, and then the root', () => {
    const args = bubblewrapArguments({ ...plan, mounts: [{ kind: 'empty', target: '/tmp' }] })
    expect(args.indexOf('--remount-ro')).toBeGreaterThan(args.indexOf('--tmpfs'))
    expect(after(args, '--remount-ro')).toBe('/')
  })

  it('have what is outside before what is in it, in whatever order they were given', () => {
    const path = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 }).map((names) => `/${names.join('/')}`)
    fc.assert(
      fc.property(fc.array(path, { maxLength: 12 }), (targets) => {
        const args = bubblewrapArguments({ ...plan, mounts: targets.map((target) => ({ kind: 'empty', target })) })
        const order = args.flatMap((arg, index) => (arg === '--tmpfs' ? [args[index + 1] ?? ''] : []))
        for (const [index, inner] of order.entries())
          for (const outer of order.slice(index + 1)) expect(inner.startsWith(`${outer}/`)).toBe(false)
      }),
    )
  })

  it('pass a hostile command and paths on as they are, after the end of options', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (command) => {
        const args = bubblewrapArguments({ ...plan, command })
        expect(args.slice(-command.length)).toEqual(command)
        expect(args[args.length - command.length - 1]).toBe('--')
      }),
    )
  })

  it('name numbers inside only where they are others', () => {
    expect(bubblewrapArguments(plan)).not.toContain('--uid')
    expect(after(bubblewrapArguments({ ...plan, user: { uid: 1000, gid: 1000 } }), '--uid')).toBe('1000')
  })
})
