// The seam between the core and the world: files, directories, time, randomness and threads. Everything else in the
// core is deterministic given an Env, so tests can lose unsynced bytes, fail the n-th call and move the clock.
// Implementations: posix_env.cc; in tests, test/native/mem_env.h and fault_env.h.
// An Env outlives every store opened on it. All methods may be called from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "native/core/status.h"

namespace crabkv {

// A read-only view of a file's bytes, shared with the page cache. It may be longer than the file: touching bytes past
// the file's end (or on a failing disk) raises SIGBUS, so contents are read through GuardedCopy (guarded_read.h) only.
class Mapping {
 public:
  virtual ~Mapping() = default;  // unmaps
  const char* data() const { return data_; }
  uint64_t size() const { return size_; }

 protected:
  const char* data_ = nullptr;
  uint64_t size_ = 0;
};

// An open file. Positional calls only; closed by the destructor (errors there are of no consequence: what matters was
// synced). Distinct ranges may be written by distinct threads at once.
class File {
 public:
  virtual ~File() = default;
  // Writes all of `data` at `offset`, or fails; after a failure any prefix may have been written.
  virtual Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // Reads up to `length` bytes; `*got` is less only at the end of the file.
  virtual Status ReadAt(uint64_t offset, uint64_t length, char* buffer, uint64_t* got) = 0;
  // fdatasync: on return 0 every byte written before the call, and the size needed to find it, survives power loss.
  // A failure must never be retried: the kernel may have dropped the pages and marked them clean.
  virtual Status Sync() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Status Size(uint64_t* size) = 0;
  // How many names the file has: with more than one, its bytes are somebody else's, too.
  virtual Status Links(uint64_t* links) = 0;
  // Says that ReadAt will go through the file from its beginning to its end, so that the disk is ahead of it. Of no
  // consequence but for speed: what is not in memory is read several times as fast.
  virtual void ReadsInOrder() {}
  // Maps [0, length), which may reach beyond the end of the file as it is now; the view follows later writes.
  virtual Status Map(uint64_t length, std::unique_ptr<Mapping>* mapping) = 0;
};

// An exclusive or shared hold on a directory, released by the destructor or the end of the process.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write; must not exist
};

enum class LockMode : uint8_t { kExclusive, kShared };

// Identity of a directory whatever path led to it.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  bool operator==(const FileId& other) const { return device == other.device && inode == other.inode; }
};

class Env {
 public:
  virtual ~Env() = default;

  // --- Files. New files are 0600, new directories 0700. Paths are joined with '/'.
  virtual Status OpenFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) = 0;
  virtual Status ListDirectory(const std::string& path, std::vector<std::string>* names) = 0;
  // Creates `path` and its missing parents; OK when it is a directory already.
  virtual Status CreateDirectory(const std::string& path) = 0;
  virtual Status Exists(const std::string& path, bool* exists) = 0;
  virtual Status Identify(const std::string& path, FileId* id) = 0;
  // Of a file, which replaces one of the new name; or of a directory, which may replace an empty one.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // Gives the file `from` a second name, `to`, which must not exist. What a file system can't do has the error numbers
  // EXDEV, EPERM, EMLINK or ENOTSUP.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& path) = 0;  // an empty one
  // Makes created, renamed and removed names in `path` survive power loss. Never retried after a failure.
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Bytes an unprivileged process may still allocate on the file system of `path`.
  virtual Status FreeSpace(const std::string& path, uint64_t* bytes) = 0;
  // kLocked, with the pid in the message if the holder writes, when another process (or another Env user) holds it.
  // Shared locks exclude exclusive ones only. `path` is the LOCK file, created if missing (if that fails for lack of
  // permission and the lock is shared, the lock is granted: nobody can write there).
  virtual Status LockFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) = 0;

  // --- Time and chance.
  virtual uint64_t WallMs() = 0;       // ms since 1970, may jump either way
  virtual uint64_t MonotonicNs() = 0;  // never goes back
  virtual uint64_t Random64() = 0;     // unpredictable in production, seeded in tests

  // --- Threads. The name shows up in debuggers (15 characters).
  virtual std::thread StartThread(const char* name, std::function<void()> body) = 0;
  // From here on the calling thread gives way where others want the processor, for good. Where that can't be had,
  // nothing happens.
  virtual void LowerThreadPriority() = 0;
  // Waits on `condition` for at most `timeout_ms` of this Env's time. May wake early.
  virtual void WaitFor(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, uint64_t timeout_ms) = 0;
};

// The process-wide POSIX Env; never destroyed.
Env* DefaultEnv();

}  // namespace crabkv
