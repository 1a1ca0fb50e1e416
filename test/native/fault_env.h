// An Env around another one that counts every call, logs it, and fails those a test picks: the n-th, once or for ever,
// half-way through a write, for lack of space, or all of them from a moment on, as for a process that is dead. Threads,
// clocks and randomness go straight through. Any thread may call it; the hook runs on the caller's thread.
#pragma once

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "native/core/env.h"
#include "test/native/mem_env.h"

namespace crabkv::test {

// A set of kinds is the | of them.
enum CallKind : uint32_t {
  kOpenCall = 1 << 0,
  kReadCall = 1 << 1,
  kWriteCall = 1 << 2,
  kSyncCall = 1 << 3,
  kTruncateCall = 1 << 4,
  kRenameCall = 1 << 5,
  kRemoveCall = 1 << 6,
  kSyncDirectoryCall = 1 << 7,
  kCreateDirectoryCall = 1 << 8,
  kLockCall = 1 << 9,
  kMapCall = 1 << 10,
  kListCall = 1 << 11,
  kFreeSpaceCall = 1 << 12,
  kStatCall = 1 << 13,  // Exists, Identify, Size
  kLinkCall = 1 << 14,
  kAllCalls = (1 << 15) - 1,
  // What changes the disk: between two of these a power cut finds the same.
  kChangingCalls = kOpenCall | kWriteCall | kSyncCall | kTruncateCall | kRenameCall | kRemoveCall | kSyncDirectoryCall |
                   kCreateDirectoryCall | kLockCall | kLinkCall,
};

struct Call {
  CallKind kind;
  std::string path;     // as the caller gave it; of a file, as it was opened
  std::string to;       // Rename, Link
  uint64_t offset = 0;  // Write, Read; the new size for Truncate
  uint64_t length = 0;  // Write, Read, Map
  bool ok = true;
};

// One planned failure. Plans are independent: each counts the calls that it matches from 1, starting when it is
// injected.
struct Fault {
  uint64_t nth = 1;
  uint32_t kinds = kAllCalls;
  std::string path_part;               // only calls whose path contains it
  int error = EIO;                     // errno of the failure
  bool forever = false;                // the nth and every later one
  uint64_t write_prefix = 0;           // of a failing write, how many bytes reach the file first
  uint64_t length_from = 0;            // only reads and writes of at least these bytes
  uint64_t length_below = UINT64_MAX;  // only reads and writes of fewer bytes (not space zeroed ahead, for one)
  // A failing sync of a MemEnv's file drops what was dirty, as Linux does; a random part reaches the disk unless 0.
  uint64_t sync_keeps_seed = 0;
};

// Of a write of records to the log: not of the space made ahead (a whole window), nor of a frame without records, which
// may still be under way when the test injects this.
Fault FailedAppend(int error = ENOSPC);

class FaultEnv final : public Env {
 public:
  // `memory`: the same Env as `base` when that is a MemEnv, so that failed syncs can lose data. Both outlive this.
  explicit FaultEnv(Env* base, MemEnv* memory = nullptr);
  explicit FaultEnv(MemEnv* memory) : FaultEnv(memory, memory) {}
  ~FaultEnv() override;

  // --- Failing
  void Inject(Fault fault);
  void FailNth(uint64_t nth, uint32_t kinds, int error = EIO, bool forever = false);
  void ShortenNthWrite(uint64_t nth, uint64_t prefix, int error = EIO);
  // After `calls` more calls of these kinds, every call fails with EIO and changes nothing. 0: at once.
  void DieAfter(uint64_t calls, uint32_t kinds = kAllCalls);
  bool dead() const;
  void ClearFaults();  // and live again
  // Lets files grow by this much in total, in blocks of 4 KiB; a write that does not fit writes what does and fails
  // with ENOSPC. Truncate and Remove give back. Adding is calling it again; FreeSpace reports what is left.
  void SetSpace(uint64_t bytes);
  uint64_t space_left() const;

  // --- Watching
  uint64_t calls(uint32_t kinds = kAllCalls) const;  // since the start or ResetLog; failed ones count
  uint64_t faults_hit() const;                       // calls that an injected fault failed
  std::vector<Call> log(uint32_t kinds = kAllCalls) const;
  void ResetLog();
  // Called after each call that went through (or failed by itself), before it returns, with no lock held.
  void SetHook(std::function<void(const Call&)> hook);

  // --- Env
  Status OpenFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status ListDirectory(const std::string& path, std::vector<std::string>* names) override;
  Status CreateDirectory(const std::string& path) override;
  Status Exists(const std::string& path, bool* exists) override;
  Status Identify(const std::string& path, FileId* id) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Status FreeSpace(const std::string& path, uint64_t* bytes) override;
  Status LockFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) override;
  uint64_t WallMs() override { return base_->WallMs(); }
  uint64_t MonotonicNs() override { return base_->MonotonicNs(); }
  uint64_t Random64() override { return base_->Random64(); }
  std::thread StartThread(const char* name, std::function<void()> body) override;
  void LowerThreadPriority() override { base_->LowerThreadPriority(); }
  void WaitFor(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, uint64_t timeout_ms) override;

 private:
  class FaultFile;

  static constexpr uint64_t kBlockBytes = 4096;
  // Which blocks of a file are allocated. Shared by its name and its open handles.
  using Blocks = std::vector<bool>;

  struct Plan {
    Fault fault;
    uint64_t seen = 0;
  };

  // What to do with a call: let it through, or fail it with `error` after `write_prefix` bytes.
  struct Verdict {
    int error = 0;
    bool died = false;  // nothing happens at all
    uint64_t write_prefix = 0;
    uint64_t sync_keeps_seed = 0;
  };

  Verdict Judge(const Call& call);
  // Judges the call, runs `operation` if it may, logs it and calls the hook.
  Status Run(Call call, const std::function<Status(const Verdict&)>& operation);
  std::shared_ptr<Blocks> BlocksOf(const std::string& path);
  // How many of `length` bytes at `offset` may be written; takes the space for them.
  uint64_t Allocate(Blocks* blocks, uint64_t offset, uint64_t length);
  void Release(Blocks* blocks, uint64_t from_offset);
  // The file has lost a name, and its space with the last one.
  void ReleaseName(const std::string& path, const std::shared_ptr<Blocks>& blocks);

  Env* const base_;
  MemEnv* const memory_;

  mutable std::mutex mutex_;  // guards everything below; never held while calling base_ or the hook
  std::vector<Plan> plans_;
  std::vector<Call> log_;
  bool dead_ = false;
  std::optional<uint64_t> death_after_;
  uint32_t death_kinds_ = kAllCalls;
  uint64_t faults_hit_ = 0;
  std::optional<uint64_t> blocks_left_;
  std::map<std::string, std::shared_ptr<Blocks>> blocks_;
  std::function<void(const Call&)> hook_;
};

}  // namespace crabkv::test
