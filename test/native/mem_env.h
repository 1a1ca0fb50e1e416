// An Env in memory whose disk can lose power. Files and names exist twice, as processes see them and as they would
// survive; Sync and SyncDirectory carry the one over to the other. A power cut or a kill makes a *new* MemEnv: the old
// one lives on for the threads that still use it, like a machine nobody looks at any more.
//
// Time stands still until the test moves it; chance is seeded; threads are real. All methods may be called from any
// thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "native/core/env.h"
#include "test/native/mem_file.h"
#include "test/native/power_cut.h"
#include "test/native/trace.h"

namespace crabkv::test {

struct MemEnvOptions {
  uint64_t seed = 1;                              // of Random64
  uint64_t file_bytes_max = uint64_t{256} << 20;  // address space per file; growing beyond it fails with EFBIG
  uint64_t wall_ms = 1'700'000'000'000;
  uint64_t monotonic_step_ns = 1;  // added by every MonotonicNs()
  // A wait that nobody notifies for 2 ms of real time moves the clock to its deadline, as if the machine were idle.
  // Off: idle timers fire only when the test calls AdvanceMs.
  bool auto_advance = false;
};

class MemEnv : public Env {
 public:
  explicit MemEnv(const MemEnvOptions& options = MemEnvOptions());
  ~MemEnv() override;

  // --- Crashes. Each returns the machine after its restart: no locks held, clocks and chance as they are here.
  // SIGKILL: every byte and name is there, and what was not synced still is not.
  std::unique_ptr<MemEnv> KillProcess() const;
  // Power loss, at its worst: only what was synced, under names that were synced.
  std::unique_ptr<MemEnv> PowerCutKeepNothing() const;
  // Power loss: of what was not synced a random part, in any order across files and names; writes may be torn at 512
  // bytes; a rename happened or did not. The same seed keeps the same part.
  std::unique_ptr<MemEnv> PowerCutKeepRandom(uint64_t seed) const;
  // The same, the part chosen in any of the ways that PowerCut knows; `how` (may be null) says in which.
  std::unique_ptr<MemEnv> PowerCutOfAnyStyle(uint64_t seed, std::string* how) const;
  // Whether a power cut would take anything at all.
  bool HasUnsynced() const { return !UnsyncedSequences().empty(); }

  // --- Traces. Every change of the disk from now on is added to `trace`, until nullptr is given or this MemEnv goes.
  // A machine that a crash made records nothing until it is told to.
  void RecordTo(Trace* trace);
  // REQUIRES: it records. note.step is filled in: what was told, was told after the steps until now.
  void NoteInTrace(TraceNote note);
  // REQUIRES: it records. The machine that PowerCutKeepRandom(seed) makes now is the one that the trace goes on with.
  void RecordPowerCut(uint64_t seed);
  // Does what another MemEnv recorded. To be called in order, on one that began as the other did. Of a power cut, the
  // caller takes the machine that PowerCutKeepRandom(step.offset) makes.
  void Replay(const TraceStep& step);

  // --- A sync that failed as on Linux: what was dirty counts as clean, and is gone after a power cut, whatever is
  // synced later. With a seed (not 0), a random part of it reached the disk. `file` is one that this MemEnv opened.
  void DropDirty(File* file, uint64_t seed = 0);
  void DropDirtyNames(const std::string& directory);

  // --- The test's hand on the world.
  void SetWallMs(uint64_t wall_ms);  // jumps either way; the monotonic clock does not notice
  void AdvanceMs(uint64_t ms);       // both clocks; waits whose time has come end within about a millisecond
  // A file's bytes as processes see them; false when there is none. Flips and cuts go through SetContent, which is
  // durable at once, name and all (rot, not a write).
  bool Content(const std::string& path, std::string* content) const;
  bool DurableContent(const std::string& path,
                      std::string* content) const;  // false when power loss would take the name
  void SetContent(const std::string& path, const std::string& content);
  std::vector<std::string> AllFiles() const;  // full paths, sorted
  // Of all names and bytes, or of one directory's: different disks differ, but for bad luck.
  uint64_t Fingerprint() const;
  uint64_t FingerprintOf(const std::string& directory) const;

  // --- Env
  Status OpenFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override;
  Status ListDirectory(const std::string& path, std::vector<std::string>* names) override;
  Status CreateDirectory(const std::string& path) override;  // durable at once
  Status Exists(const std::string& path, bool* exists) override;
  Status Identify(const std::string& path, FileId* id) override;
  // Of files within one directory, and of directories: that is durable at once, as is removing one.
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Status FreeSpace(const std::string& path, uint64_t* bytes) override;
  Status LockFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) override;
  uint64_t WallMs() override;
  uint64_t MonotonicNs() override;
  uint64_t Random64() override;
  std::thread StartThread(const char* name, std::function<void()> body) override;
  void LowerThreadPriority() override {}
  void WaitFor(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, uint64_t timeout_ms) override;

 private:
  class OpenMemFile;
  class MemLock;

  using Names = std::map<std::string, std::shared_ptr<MemFile>>;

  // A change of names: `file` now has `name` (nullptr: nobody has), and when `from` is not empty, had that name before.
  struct NameChange {
    std::string name;
    std::shared_ptr<MemFile> file;
    std::string from;
    uint64_t sequence = 0;
  };

  struct Directory {
    uint64_t inode = 0;
    Names current;
    Names durable;
    std::vector<NameChange> journal;  // since the last SyncDirectory, oldest first
  };

  struct Hold {
    bool exclusive = false;
    uint32_t shared = 0;
  };

  enum class Crash : uint8_t { kKill, kPowerCut };

  static void Apply(const NameChange& change, Names* names);
  static Names NamesAfterPowerCut(const Directory& directory, PowerCut* cut);
  static std::string Normalize(const std::string& path);
  static void Split(const std::string& normalized, std::string* directory, std::string* name);

  std::unique_ptr<MemEnv> Restart(Crash crash, PowerCut* cut) const;
  // REQUIRES: mutex_ is held, for all of these. nullptr when there is none.
  Directory* DirectoryAt(const std::string& normalized);
  std::shared_ptr<MemFile> FileAt(const std::string& normalized) const;
  Status MissingDirectory(const char* operation, const std::string& path) const;
  void Change(Directory* directory, NameChange change);
  static void AddTo(uint64_t* fingerprint, const Directory& directory);
  void Record(TraceStep::Kind kind, const std::string& path, const std::string& to = "", uint64_t inode = 0);
  void RecordFile(TraceStep::Kind kind, uint64_t inode, uint64_t offset = 0, std::string_view data = {});
  void Add(TraceStep step);
  // Sequence numbers of what is not synced.
  std::vector<uint64_t> UnsyncedSequences() const;
  bool HasSubdirectory(const std::string& normalized) const;
  Status RenameDirectory(const std::string& from, const std::string& to);

  const MemEnvOptions options_;
  const uint64_t device_;  // of this instance: the registry of open stores must not take two machines for one
  std::atomic<uint64_t> wall_ms_;
  std::atomic<uint64_t> monotonic_ns_;
  std::atomic<uint64_t> random_state_;
  std::atomic<uint64_t> open_handles_{0};  // files and locks; none may outlive the Env

  mutable std::mutex mutex_;                      // guards everything below, and every MemFile
  std::map<std::string, Directory> directories_;  // by normalized path, "/" for the root
  std::map<std::string, Hold> holds_;             // by normalized path of the LOCK file
  uint64_t last_inode_ = 0;
  uint64_t last_sequence_ = 0;
  Trace* trace_ = nullptr;
  std::map<uint64_t, std::weak_ptr<MemFile>> replayed_;  // by inode; files that Replay may be asked to change
};

}  // namespace crabkv::test
