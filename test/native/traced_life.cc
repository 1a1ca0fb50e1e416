// See traced_life.h.
#include "test/native/traced_life.h"

#include <fstream>
#include <sstream>

#include "native/core/coding.h"
#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"

namespace crabkv::test {

namespace {

constexpr uint64_t kLives = 4;
constexpr uint64_t kKeys = 12;

class Author {
 public:
  Author(uint64_t seed, SyncMode sync, TracedLives* lives)
      : random_(seed), lives_(*lives), machine_(std::make_unique<MemEnv>(TracedMachine())) {
    lives_.seed = seed;
    lives_.sync = sync;
    options_ = SmallOptions(sync);
    options_.auto_compaction = false;
    options_.compaction_io_percent = 100;
    machine_->RecordTo(&lives_.trace);
  }

  void Live(uint64_t operations) {
    lives_.logs.emplace_back(lives_.logs.empty() ? ModelLog() : lives_.logs.back());
    Note();
    env_ = std::make_unique<FaultEnv>(machine_.get());
    if (random_.OneIn(3)) env_->FailNth(1, kLinkCall, EXDEV, true);  // backups copy then
    options_.compression = random_.OneIn(2) ? Codec::kSnappy : Codec::kNone;
    large_values_ = random_.OneIn(3);
    std::shared_ptr<Store> store;
    if (!EXPECT_OK(Store::Open(env_.get(), kDirectory, options_, &store))) return;
    store_ = store.get();
    // What an opening found, it made durable.
    acknowledged_ = durable_ = store_->Stats().last_version;
    lives_.logs.back().CutBehind(acknowledged_);
    Note();
    for (uint64_t i = 0; i < operations; i++) {
      Work();
      if (backup_ != nullptr && backup_->ended()) EXPECT_OK(EndBackup());
    }
    End(std::move(store));
  }

 private:
  void Note() {
    TraceNote note;
    note.life = lives_.logs.size() - 1;
    note.acknowledged = acknowledged_;
    note.durable = durable_;
    note.backup = backed_up_;
    machine_->NoteInTrace(note);
  }

  Change RandomChange() {
    const std::string key = random_.OneIn(30) ? "" : "k" + std::to_string(random_.Below(kKeys));
    const uint64_t soon = machine_->WallMs() + 1 + random_.Below(400);
    const uint64_t deadline = random_.OneIn(3) ? soon : random_.OneIn(6) ? 1'900'000'000'000 : 0;
    const uint64_t kind = random_.Below(10);
    if (kind < 5) {
      const uint64_t size = random_.OneIn(25) ? random_.Below(9000) : random_.Below(large_values_ ? 2500 : 120);
      return Put(key, random_.Bytes(size), deadline);
    }
    return kind < 8 ? Delete(key) : Expire(key, deadline);
  }

  void WriteBatch(bool wait) {
    std::vector<Change> changes;
    for (uint64_t i = random_.OneIn(2) ? 1 : 1 + random_.Below(5); i > 0; i--) changes.push_back(RandomChange());
    Commit commit;
    std::vector<bool> existed;
    if (!EXPECT_OK(Write(store_, changes, &commit, &existed))) return;
    // A deadline for a key that is not there, or has expired, is not logged.
    Changes logged;
    for (size_t i = 0; i < changes.size(); i++) {
      if (changes[i].kind != Change::Kind::kExpire || existed[i]) logged.push_back(std::move(changes[i]));
    }
    lives_.logs.back().Add(commit, std::move(logged));
    if (commit.group == 0 || !wait) return;
    if (EXPECT_OK(store_->WaitFor(commit.group, false))) Acknowledged(commit.version);
  }

  void Acknowledged(uint64_t version) {
    acknowledged_ = version;
    if (options_.sync == SyncMode::kAlways) durable_ = version;
    Note();
  }

  void Flush() {
    const uint64_t last = lives_.logs.back().last_version();
    uint64_t group = 0;
    if (!EXPECT_OK(store_->RequestDurable(&group))) return;
    if (group != 0 && !EXPECT_OK(store_->WaitFor(group, true))) return;
    acknowledged_ = durable_ = std::max(durable_, last);
    Note();
  }

  void RemoveExpired() {
    ReadBuffer keys;
    uint32_t removed = 0;
    bool more = false;
    Commit commit;
    if (!EXPECT_OK(store_->RemoveExpired(100, &keys, &removed, &more, &commit)) || removed == 0) return;
    Changes changes;
    const char* at = keys.data();
    for (uint32_t i = 0; i < removed; i++) {
      changes.push_back(Delete(std::string(at + 4, GetU32(at))));
      at += 4 + GetU32(at);
    }
    lives_.logs.back().Add(commit, std::move(changes));
  }

  void Compact() {
    auto* const store = static_cast<StoreImpl*>(store_);
    const auto done = [](const Status&, const CompactionReport&) {};
    switch (random_.Below(4)) {
      case 0:
        EXPECT_OK(test::Compact(store_));
        return;
      case 1:
        // While writes go on.
        store->StartCompactionOf(random_.Next(), 1 + random_.Below(4), done);
        return;
      default: {
        // There may be nothing to compact.
        const Status ignored = CompactRun(store_, random_.Next(), 1 + random_.Below(4));
        static_cast<void>(ignored);
      }
    }
  }

  // One at a time, perhaps while writes go on.
  void BackUp() {
    const bool wait = random_.OneIn(2);
    if (backup_ != nullptr) EXPECT_OK(EndBackup());
    backup_ = std::make_unique<StartedBackup>(store_);
    if (wait) EXPECT_OK(EndBackup());
  }

  // The store does not fall back behind its backup, in no mode.
  Status EndBackup() {
    BackupReport report;
    const Status status = backup_->Wait(&report);
    backup_.reset();
    if (!status.ok()) return status;
    backed_up_ = report.version;
    acknowledged_ = std::max(acknowledged_, backed_up_);
    durable_ = std::max(durable_, backed_up_);
    Note();
    return status;
  }

  void Work() {
    const uint64_t what = random_.Below(100);
    if (what < 2) return BackUp();
    if (what < 68) return WriteBatch(random_.OneIn(3));
    if (what < 76) return machine_->AdvanceMs(1 + random_.Below(150));
    if (what < 84) {
      EXPECT_OK(EndSegment(store_));
    } else if (what < 92) {
      Compact();
    } else if (what < 96) {
      RemoveExpired();
    } else {
      Flush();
    }
  }

  void End(std::shared_ptr<Store> store) {
    const uint64_t way = random_.Below(3);
    if (way == 0) {
      if (EXPECT_OK(store->Close())) acknowledged_ = durable_ = std::max(durable_, lives_.logs.back().last_version());
      Note();
      const Status ended = backup_ == nullptr ? Status::Ok() : EndBackup();
      EXPECT(ended.ok() || ended.Is(Code::kClosed));  // closing gives it up
    }
    // From here on nothing changes any more, so that the machine after its end is the one that the trace says.
    env_->DieAfter(0);
    store.reset();
    backup_.reset();
    env_.reset();
    if (way == 2) {
      const uint64_t seed = random_.Next();
      machine_->RecordPowerCut(seed);
      acknowledged_ = durable_;
      Note();
      machine_ = machine_->PowerCutKeepRandom(seed);
    } else {
      machine_ = machine_->KillProcess();
    }
    machine_->RecordTo(&lives_.trace);
  }

  Random random_;
  TracedLives& lives_;
  Options options_;
  std::unique_ptr<MemEnv> machine_;
  std::unique_ptr<FaultEnv> env_;
  Store* store_ = nullptr;
  bool large_values_ = false;  // so that segments become long enough for hints
  uint64_t acknowledged_ = 0;
  uint64_t durable_ = 0;
  std::unique_ptr<StartedBackup> backup_;  // under way
  uint64_t backed_up_ = 0;
};

}  // namespace

MemEnvOptions TracedMachine() {
  MemEnvOptions options;
  options.file_bytes_max = 1 << 20;
  return options;
}

void LiveTraced(uint64_t seed, SyncMode sync, uint64_t operations, TracedLives* lives) {
  Author author(seed, sync, lives);
  for (uint64_t life = 0; life < kLives; life++) author.Live(operations / kLives);
}

// --- In a file

bool TracedLives::Save(const std::string& path) const {
  Packer packer;
  packer.Number(seed);
  packer.Number(static_cast<uint64_t>(sync));
  Pack(trace, &packer);
  packer.Number(logs.size());
  for (const ModelLog& log : logs) {
    const auto batches = log.batches();
    packer.Number(batches.size());
    for (const auto& [last, changes] : batches) {
      packer.Number(last);
      packer.Number(changes.size());
      for (const Change& change : changes) {
        packer.Number(static_cast<uint64_t>(change.kind));
        packer.Text(change.key);
        packer.Text(change.value);
        packer.Number(change.expires_at_ms);
      }
    }
  }
  std::ofstream file(path, std::ios::binary);
  file << packer.bytes();
  return static_cast<bool>(file.flush());
}

bool TracedLives::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream read;
  if (!(read << file.rdbuf())) return false;
  const std::string bytes = read.str();
  Unpacker unpacker(bytes);
  seed = unpacker.Number();
  sync = static_cast<SyncMode>(unpacker.Number());
  Unpack(&unpacker, &trace);
  for (uint64_t life = unpacker.Number(); life > 0; life--) {
    ModelLog& log = logs.emplace_back();
    for (uint64_t batch = unpacker.Number(); batch > 0; batch--) {
      Commit commit;
      commit.version = unpacker.Number();
      Changes changes(unpacker.Number());
      for (Change& change : changes) {
        change.kind = static_cast<Change::Kind>(unpacker.Number());
        change.key = unpacker.Text();
        change.value = unpacker.Text();
        change.expires_at_ms = unpacker.Number();
      }
      log.Add(commit, std::move(changes));
    }
  }
  return true;
}

}  // namespace crabkv::test
