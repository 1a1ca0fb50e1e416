// See backup_fixture.h.
#include "test/native/backup_fixture.h"

namespace crabkv::test {

Status BackUp(Store* store, BackupReport* report, const std::string& directory) {
  return StartedBackup(store, directory).Wait(report);
}

Status RestoreTo(Env* env, const std::string& target, RestoreReport* report) {
  RestoreReport unused;
  const StepDone go_on = [](uint64_t) { return true; };
  return RestoreBackup(env, kBackup, target, go_on, report == nullptr ? &unused : report);
}

Status ReadDirectory(Env* env, const std::string& directory, Contents* contents, uint64_t* version) {
  Options options = SmallOptions();
  options.read_only = true;
  std::shared_ptr<Store> store;
  CRABKV_RETURN_IF_ERROR(Store::Open(env, directory, options, &store));
  *version = store->Stats().last_version;
  CRABKV_RETURN_IF_ERROR(ReadAll(store.get(), contents));
  return store->Close();
}

uint64_t ExpectBackup(Env* env, const ModelLog& log, uint64_t at_least) {
  Contents contents;
  uint64_t version = 0;
  if (!EXPECT_OK(ReadDirectory(env, kBackup, &contents, &version))) return 0;
  EXPECT(version >= at_least);
  EXPECT(log.IsEndOfBatch(version));
  EXPECT_EQ(Difference(log.At(version), contents), "the same");
  VerifyReport report;
  EXPECT_OK(VerifyDirectory(
      env, kBackup, [](uint64_t) { return true; }, &report));
  EXPECT_EQ(report.fault_count, 0u);
  return version;
}

void ExpectRestorable(MemEnv* env, const ModelLog& log, uint64_t version) {
  const auto before = FilesIn(*env, kBackup);
  RestoreReport report;
  if (!EXPECT_OK(RestoreTo(env, kRestored, &report))) return;
  EXPECT_EQ(report.version, version);
  std::shared_ptr<Store> store;
  if (!EXPECT_OK(Store::Open(env, kRestored, SmallOptions(), &store))) return;
  EXPECT_EQ(store->Stats().last_version, version);
  Contents contents;
  EXPECT_OK(ReadAll(store.get(), &contents));
  EXPECT_EQ(Difference(log.At(version), contents), "the same");
  ModelLog later(log);
  later.CutBehind(version);
  Writer writer(store.get(), &later, version);
  EXPECT(writer.Write(20));
  EXPECT_OK(store->Close());
  store.reset();
  uint64_t found = 0;
  EXPECT_OK(ReadDirectory(env, kRestored, &contents, &found));
  EXPECT_EQ(Difference(later.At(found), contents), "the same");
  EXPECT(found == writer.last_version());
  EXPECT(FilesIn(*env, kBackup) == before);
  RemoveDirectory(env, kRestored);
}

std::map<std::string, std::string> FilesIn(const MemEnv& env, const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const std::string& path : env.AllFiles()) {
    const size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    if (path.substr(0, slash) == directory && name != "LOCK") env.Content(path, &files[name]);
  }
  return files;
}

void RemoveDirectory(Env* env, const std::string& directory) {
  std::vector<std::string> names;
  EXPECT_OK(env->ListDirectory(directory, &names));
  for (const std::string& name : names) EXPECT_OK(env->Remove(directory + "/" + name));
  EXPECT_OK(env->RemoveDirectory(directory));
}

bool Writer::Write(uint64_t count) {
  Commit commit;
  for (uint64_t i = 0; i < count; i++) {
    Changes changes;
    for (uint64_t operations = 1 + random_.Below(4); operations > 0; operations--) {
      const std::string key = "k" + std::to_string(random_.Below(30));
      const uint64_t kind = random_.Below(10);
      const uint64_t deadline = random_.OneIn(4) ? 1'900'000'000'000 + random_.Below(1000) : 0;
      if (kind < 7) {
        const std::string value = std::to_string(random_.Next()) + std::string(random_.Below(1500), 'v');
        changes.push_back(Put(key, value, deadline));
      } else if (kind < 9) {
        changes.push_back(Delete(key));
      } else {
        changes.push_back(Expire(key, deadline));
      }
    }
    if (!test::Write(store_, changes, &commit).ok()) return false;
    log_->Add(commit, changes);
    if (commit.version != 0) last_version_ = commit.version;
  }
  return commit.group == 0 || store_->WaitFor(commit.group, false).ok();
}

BackedUpStore::BackedUpStore(uint64_t batches) : store(OpenStore(&env, SmallOptions())), writer(store.get(), &log, 1) {
  EXPECT(writer.Write(batches));
  EXPECT_OK(BackUp(store.get()));
}

}  // namespace crabkv::test
