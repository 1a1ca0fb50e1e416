// Opening and closing a store, and what it says of itself.
#include <algorithm>

#include "native/core/guarded_read.h"
#include "native/core/recovery.h"
#include "native/core/store_impl.h"

namespace crabkv {

namespace {
// How long closing may take for the sake of the next opening.
constexpr uint64_t kLastHintsMs = 200;
}  // namespace

Status Store::Open(Env* env, const std::string& path, const Options& options, std::shared_ptr<Store>* store,
                   OnOpenProgress on_progress) {
  CRABKV_RETURN_IF_ERROR(ValidateOptions(options));
  InstallGuard();
  auto opened = std::make_shared<StoreImpl>(env, path, options);
  CRABKV_RETURN_IF_ERROR(opened->OpenFiles(std::move(on_progress)));
  *store = std::move(opened);
  return Status::Ok();
}

StoreImpl::StoreImpl(Env* env, std::string path, const Options& options)
    : env_(env),
      path_(std::move(path)),
      options_(options),
      index_(options.shard_count, options.slot_to_shard, &segments_),
      loads_(env->MonotonicNs()),
      readers_(env, options.reader_queue_max) {}

StoreImpl::~StoreImpl() {
  const Status ignored = Close();
  static_cast<void>(ignored);
}

Status StoreImpl::OpenFiles(OnOpenProgress on_progress) {
  const uint64_t began_ns = env_->MonotonicNs();
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(path_, &exists));
  if (!exists && (!options_.create_if_missing || options_.read_only)) {
    return Status::Error(Code::kMissing, "no store in " + path_);
  }
  // Before LOCK is made, so that looking for a store leaves nothing behind where there is none.
  if (!options_.create_if_missing || options_.read_only) CRABKV_RETURN_IF_ERROR(RequireManifest());
  if (!options_.read_only) CRABKV_RETURN_IF_ERROR(env_->CreateDirectory(path_));
  CRABKV_RETURN_IF_ERROR(
      env_->LockFile(path_ + "/LOCK", options_.read_only ? LockMode::kShared : LockMode::kExclusive, &lock_));
  CRABKV_RETURN_IF_ERROR(LoadOrCreateManifest());
  if (!options_.read_only) DiskSpace(env_, path_).MakeRoomForRecovery();
  Recovery recovery(env_, path_, options_, &segments_, &index_, std::move(on_progress));
  RecoveryResult recovered;
  CRABKV_RETURN_IF_ERROR(recovery.Run(&manifest_, &recovered));
  clock_ = std::make_unique<Clock>(env_, recovered.clock_ms);
  // Before the compactor starts, which changes the MANIFEST's state and the floor.
  feed_floor_ = manifest_.compacted_lsn();
  epoch_ = manifest_.epoch;
  if (!options_.read_only) {
    CRABKV_RETURN_IF_ERROR(RemoveLeftovers());
    log_ = std::make_unique<CommitLog>(
        env_, path_, options_, &segments_, clock_.get(),
        CommitLogHooks{[this](uint64_t lsn) { index_.UndoFrom(lsn); }, [this] { compactor_->Poke(); }}, recovered.log);
    StartCompactor();
  }
  clean_open_ = recovered.clean;
  open_counts_ = recovered.counts;
  open_last_lsn_ = recovered.log.next_lsn - 1;
  open_durable_lsn_ = recovered.log.durable_lsn;
  open_rewritten_bytes_ = recovered.rewritten_bytes;
  open_ms_ = (env_->MonotonicNs() - began_ns) / 1000000;
  return Status::Ok();
}

void StoreImpl::StartCompactor() {
  CompactionTarget target;
  target.env = env_;
  target.directory = path_;
  target.options = &options_;
  target.manifest = &manifest_;
  target.segments = &segments_;
  target.index = &index_;
  target.log = log_.get();
  target.move_feed_floor = [this](uint64_t taken, uint64_t floor) { return MoveFeedFloor(taken, floor); };
  compactor_ = std::make_unique<Compactor>(target, [this] { return VersionKeptForFeeds(); });
  log_->Start();
  compactor_->Start();
}

Status StoreImpl::LoadOrCreateManifest() {
  const Status status = Manifest::Load(env_, path_, &manifest_);
  if (status.ok() && options_.error_if_exists) return Status::Error(Code::kExists, "a store exists in " + path_);
  if (status.ok() && manifest_.is_backup && !options_.read_only) {
    return Status::Error(Code::kReadOnly,
                         path_ + " is a backup, and can be read only; crabkv restore makes a store of it");
  }
  if (!status.Is(Code::kMissing)) return status;
  if (!options_.create_if_missing || options_.read_only) return status;
  CRABKV_RETURN_IF_ERROR(RefuseOrphanedSegments());
  manifest_.store_id = {env_->Random64(), env_->Random64()};
  manifest_.hash_seed[0] = env_->Random64();
  manifest_.hash_seed[1] = env_->Random64();
  manifest_.epoch = 1;
  CRABKV_RETURN_IF_ERROR(Manifest::Write(env_, path_, manifest_));
  manifest_.clean = true;  // an empty log ends cleanly
  return Status::Ok();
}

Status StoreImpl::RequireManifest() {
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(path_ + "/" + Manifest::kFileName, &exists));
  if (exists) return Status::Ok();
  CRABKV_RETURN_IF_ERROR(RefuseOrphanedSegments());
  return Status::Error(Code::kMissing, "no store in " + path_);
}

// The MANIFEST is written before the first segment: segments without one mean that it was lost, not that the store is
// new.
Status StoreImpl::RefuseOrphanedSegments() {
  std::vector<std::string> names;
  CRABKV_RETURN_IF_ERROR(env_->ListDirectory(path_, &names));
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (ParseSegmentFileName(name, &number) || ParseCompactedFileName(name, &number)) {
      return Status::Corruption(path_ + "/" + Manifest::kFileName, 0,
                                "is missing, but there are segments such as " + name);
    }
  }
  return Status::Ok();
}

// Files under temporary names that a crash left. Nothing refers to them once recovery is done.
Status StoreImpl::RemoveLeftovers() {
  std::vector<std::string> names;
  CRABKV_RETURN_IF_ERROR(env_->ListDirectory(path_, &names));
  for (const std::string& name : names) {
    uint64_t number = 0;
    SegmentKind kind;
    const size_t stem = name.size() < 4 ? 0 : name.size() - 4;
    if (name.compare(stem, std::string::npos, ".tmp") != 0) continue;
    const std::string target = name.substr(0, stem);
    if (target != Manifest::kFileName && !ParseSegmentFileName(target, &number) &&
        !ParseCompactedFileName(target, &number) && !ParseHintFileName(target, &kind, &number)) {
      continue;
    }
    CRABKV_RETURN_IF_ERROR(env_->Remove(path_ + "/" + name));
  }
  return Status::Ok();
}

Status StoreImpl::Close() {
  std::lock_guard<std::mutex> lock(close_mutex_);
  if (closed_.exchange(true, std::memory_order_acq_rel)) return close_status_;
  readers_.Stop();
  if (compactor_ != nullptr) compactor_->Stop();
  if (log_ != nullptr) {
    close_status_ = log_->Stop();
    if (close_status_.ok()) close_status_ = NoteCleanEnd();
    if (close_status_.ok()) compactor_->WriteLastHints(kLastHintsMs);
  }
  lock_.reset();
  return close_status_;
}

Status StoreImpl::NoteCleanEnd() {
  manifest_.clean = true;
  manifest_.clean_last_lsn = log_->last_lsn();
  manifest_.clean_last_crc = log_->end().previous_crc;
  manifest_.clock_ms = clock_->NowMs();
  return Manifest::AppendClean(env_, path_, manifest_);
}

void StoreImpl::Kick() {
  if (log_ != nullptr) log_->Kick();
}

Status StoreImpl::RequestDurable(uint64_t* group) {
  *group = 0;
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  return log_ == nullptr ? Status::Ok() : log_->RequestDurable(group);
}

Status StoreImpl::WaitFor(uint64_t group, bool durable) {
  if (log_ == nullptr || group == 0) return Status::Ok();
  log_->Kick();
  return log_->WaitFor(group, durable);
}

Status StoreImpl::Submit(std::function<void()> job) { return readers_.Submit(std::move(job)); }

uint64_t StoreImpl::StartCompaction(CompactionDone done) {
  if (compactor_ != nullptr) return compactor_->Request(std::move(done));
  done(Status::Error(Code::kReadOnly, "the store is open read-only"), CompactionReport());
  return 0;
}

uint64_t StoreImpl::StartCompactionOf(uint64_t first, uint64_t count, CompactionDone done) {
  return compactor_->RequestRun(first, count, std::move(done));
}

void StoreImpl::CancelCompaction(uint64_t request) {
  if (compactor_ != nullptr) compactor_->Cancel(request);
}

uint64_t StoreImpl::StartBackup(const std::string& directory, BackupDone done) {
  if (compactor_ == nullptr) {
    done(Status::Error(Code::kReadOnly, "the store is open read-only"), BackupReport());
    return 0;
  }
  const BackupSource source = {env_, path_, &manifest_, &segments_, &index_, log_.get(), clock_.get()};
  auto report = std::make_shared<BackupReport>();
  return compactor_->RequestWork(
      [this, source, directory, report](const StepDone& step) {
        return Backup(source, directory, &backup_progress_).Run(step, report.get());
      },
      [report, done = std::move(done)](const Status& status) { done(status, *report); });
}

void StoreImpl::CancelBackup(uint64_t request) {
  if (compactor_ != nullptr) compactor_->CancelWork(request);
}

void StoreImpl::AddListener(CommitListener* listener) {
  if (log_ != nullptr) log_->AddListener(listener);
}

void StoreImpl::RemoveListener(CommitListener* listener) {
  if (log_ != nullptr) log_->RemoveListener(listener);
}

Status StoreImpl::Failure() const { return log_ == nullptr ? Status::Ok() : log_->failure(); }

Status StoreImpl::MoveSlot(uint32_t slot, uint32_t from, uint32_t to, bool* moved) {
  *moved = false;
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  if (slot >= kSlotCount || from >= index_.shard_count() || to >= index_.shard_count()) {
    return Status::Error(Code::kInvalidArgument, "there is no such slot or shard");
  }
  *moved = index_.MoveSlot(static_cast<uint16_t>(slot), from, to);
  return Status::Ok();
}

void StoreImpl::ReportSlots(SlotReport* report) {
  report->shards.resize(kSlotCount);
  report->operations_second.resize(kSlotCount);
  loads_.Read(env_->MonotonicNs(), report->operations_second.data());
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    report->shards[slot] = static_cast<uint16_t>(index_.ShardIndexOf(static_cast<uint16_t>(slot)));
  }
}

StoreStats StoreImpl::Stats() const {
  StoreStats stats;
  stats.keys = index_.KeyCount();
  const Index::Sizes sizes = index_.MeasureSizes();
  stats.keys_with_deadline = sizes.deadlines;
  stats.index_bytes = sizes.memory_bytes;
  segments_.ForEach([&stats](Segment* segment) {
    const uint64_t written = segment->written.load(std::memory_order_acquire);
    if (written == 0) return;
    stats.segments++;
    stats.log_bytes += written;
    const uint64_t hint_bytes = segment->hint_bytes.load(std::memory_order_relaxed);
    if (hint_bytes != 0) stats.hinted_segments++;
    stats.hint_bytes += hint_bytes;
    stats.disk_bytes += segment->file_bytes.load(std::memory_order_relaxed) + hint_bytes;
    stats.live_bytes +=
        static_cast<uint64_t>(std::max<int64_t>(0, segment->live_bytes.load(std::memory_order_relaxed)));
  });
  stats.last_version = stats.acknowledged_version = open_last_lsn_;
  stats.durable_version = open_durable_lsn_;
  stats.epoch = epoch_;
  if (log_ != nullptr) log_->AddStats(&stats);
  if (compactor_ != nullptr) compactor_->AddStats(&stats);
  stats.feed_floor = FeedFloor();
  stats.backup_bytes = backup_progress_.bytes.load(std::memory_order_relaxed);
  stats.backup_bytes_done = backup_progress_.bytes_done.load(std::memory_order_relaxed);
  stats.inline_reads = inline_reads_.load(std::memory_order_relaxed);
  stats.cold_reads = cold_reads_.load(std::memory_order_relaxed);
  stats.open_ms = open_ms_;
  stats.open_records = open_counts_.records;
  stats.open_read_segments = open_counts_.segments;
  stats.open_read_ns = open_counts_.read_ns;
  stats.open_hinted_segments = open_counts_.hinted_segments;
  stats.open_hinted_keys = open_counts_.hinted_keys;
  stats.open_hints_ns = open_counts_.hints_ns;
  stats.open_hints_missing = open_counts_.hints_missing;
  stats.open_hints_wrong = open_counts_.hints_wrong;
  stats.open_hints_unproven = open_counts_.hints_unproven;
  stats.open_rewritten_bytes = open_rewritten_bytes_;
  stats.slots_moved = index_.slots_moved();
  stats.clean_open = clean_open_;
  return stats;
}

}  // namespace crabkv
