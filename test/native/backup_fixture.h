// Backups that a test waits for, and looking at them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "native/core/restore.h"
#include "test/native/started.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

inline constexpr char kBackup[] = "/backup";
inline constexpr char kRestored[] = "/restored";

class StartedBackup final : public Started<BackupReport> {
 public:
  explicit StartedBackup(Store* store, const std::string& directory = kBackup)
      : Started([&](Done done) { return store->StartBackup(directory, std::move(done)); }) {}
};

Status BackUp(Store* store, BackupReport* report = nullptr, const std::string& directory = kBackup);
Status RestoreTo(Env* env, const std::string& target, RestoreReport* report = nullptr);

// Opens the directory read-only and reads everything twice; its version goes to `version`.
Status ReadDirectory(Env* env, const std::string& directory, Contents* contents, uint64_t* version);
// The backup is whole, and holds what the log says up to a version that is at least `at_least`, which is returned; 0
// after a failure of the test.
uint64_t ExpectBackup(Env* env, const ModelLog& log, uint64_t at_least);
// Restores the backup, opens and checks the store, writes to it, and removes it.
void ExpectRestorable(MemEnv* env, const ModelLog& log, uint64_t version);

// The bytes of the files in a directory, by name; without LOCK.
std::map<std::string, std::string> FilesIn(const MemEnv& env, const std::string& directory);
// Removes the files, and the directory.
void RemoveDirectory(Env* env, const std::string& directory);

// A store's random life: puts, deletes, deadlines in batches, of few keys.
class Writer {
 public:
  Writer(Store* store, ModelLog* log, uint64_t seed) : store_(store), log_(log), random_(seed) {}
  // `count` batches; waits for the last. False when one failed.
  bool Write(uint64_t count);
  uint64_t last_version() const { return last_version_; }

 private:
  Store* const store_;
  ModelLog* const log_;
  Random random_;
  uint64_t last_version_ = 0;
};

// A store of so many batches, and its backup.
struct BackedUpStore {
  explicit BackedUpStore(uint64_t batches);

  MemEnv env;
  ModelLog log;
  std::shared_ptr<Store> store;
  Writer writer;
};

}  // namespace crabkv::test
