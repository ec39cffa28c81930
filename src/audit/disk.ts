import { closeSync, constants, fdatasync, fdatasyncSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { openRegular } from '../core/regular-file.ts'

/** The few calls that write the trail. Tests put a failing disk in place of the system's. Every method throws what the system says. */
export interface Disk {
  /** Opens a file for appending and makes it (0600) when it is not there; what is no regular file of this account is refused. */
  open(file: string): number
  /** Writes at the end of the file; returns how many bytes were taken, which may be fewer than given. */
  write(descriptor: number, bytes: Buffer, offset: number): number
  /** Size in bytes; `linked` is false once the file was deleted. */
  look(descriptor: number): { readonly size: number; readonly linked: boolean }
  truncate(descriptor: number, size: number): void
  /** Returns when what was written survives a power cut. */
  sync(descriptor: number): void
  syncLater(descriptor: number): Promise<void>
  close(descriptor: number): void
  /** Makes a new file's name durable. */
  syncFolder(folder: string): void
}

const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT

export const systemDisk: Disk = {
  open: (file) => openRegular(file, appending),
  write: (descriptor, bytes, offset) => writeSync(descriptor, bytes, offset),
  look(descriptor) {
    const { size, nlink } = fstatSync(descriptor)
    return { size, linked: nlink > 0 }
  },
  truncate: (descriptor, size) => ftruncateSync(descriptor, size),
  sync: (descriptor) => fdatasyncSync(descriptor),
  syncLater: (descriptor) => new Promise((settle, fail) => fdatasync(descriptor, (error) => (error === null ? settle() : fail(error)))),
  close: (descriptor) => closeSync(descriptor),
  syncFolder(folder) {
    const descriptor = openSync(folder, constants.O_RDONLY)
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  },
}
