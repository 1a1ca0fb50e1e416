// Which addresses only this machine reaches.

/** An address that only this machine reaches. Of names, only localhost is known to be one. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === "localhost" || host === "::1" || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/i.test(host);
}
