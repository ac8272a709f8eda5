// Starting, announcing and ending a server process that a test or `cargo xtask demo` has started.

/** Resolves with the port once `server` listens on loopback; a taken port ends the process. */
export function listen(server, port) {
  return new Promise((resolve) => {
    server.once('error', (error) => {
      console.error(
        error.code === 'EADDRINUSE'
          ? `port ${port} on 127.0.0.1 is taken; choose another with --port`
          : `cannot listen on 127.0.0.1:${port}: ${error.message}`,
      );
      process.exit(1);
    });
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

/**
 * Ends the process with its parent: a parent that is killed cannot clean up, but the pipe that it
 * held to our stdin closes in every case.
 */
export function exitWithParent() {
  process.stdin.on('end', () => process.exit(0));
  process.stdin.on('close', () => process.exit(0));
  process.stdin.on('error', () => process.exit(0));
  process.stdin.resume();
}

/** Ctrl-C and `kill` end the process at once: nothing here is worth draining. */
export function exitOnSignals() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(0));
}
