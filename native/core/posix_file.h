// Open files and mappings of the POSIX Env: positional reads and writes that survive signals and short counts, syncs
// that are never retried, and errors that name their path. Stateless apart from the descriptor; any thread may use a
// file.
#pragma once

#include <memory>
#include <string>

#include "native/core/env.h"

namespace crabkv {

// Owns a file descriptor. Movable, closes once.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// open(2), again after EINTR, never inherited by child processes. -1 leaves errno set.
int OpenDescriptor(const std::string& path, int flags);

// What `operation` on `path` failed with. When a file stands where a directory is needed, the message says which.
Status PathError(int error, const char* operation, const std::string& path);

Status OpenPosixFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file);

// fsyncs the directory; OK on file systems that cannot.
Status SyncPosixDirectory(const std::string& path);

}  // namespace crabkv
