// What a test does to its own process (limits, users, signals) it does in a child.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace crabkv::test {

// Runs `body` in a process of its own and returns its exit code, or -1 when a signal ended it.
template <typename Body>
int InChild(Body body) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int code = body();
    std::fflush(stdout);
    ::_exit(code);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace crabkv::test
