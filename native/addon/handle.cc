#include "native/addon/handle.h"

#include <algorithm>
#include <utility>

#include "native/addon/compaction.h"
#include "native/addon/environment.h"
#include "native/addon/errors.h"
#include "native/core/env.h"
#include "native/core/registry.h"

namespace crabkv::addon {

namespace {

class NewsDelivery : public Delivery {
 public:
  explicit NewsDelivery(std::shared_ptr<CommitInbox> inbox) : inbox_(std::move(inbox)) {}
  void Deliver(Environment& environment) override {
    Handle* handle = environment.Find(inbox_->handle_id());
    if (handle != nullptr) handle->DeliverNews();
  }

 private:
  std::shared_ptr<CommitInbox> inbox_;
};

class CloseDelivery : public Delivery {
 public:
  CloseDelivery(napi_deferred deferred, Status status) : deferred_(deferred), status_(std::move(status)) {}
  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (status_.ok()) {
      ResolveUndefined(environment, deferred_);
    } else {
      Reject(environment, deferred_, status_);
    }
  }

 private:
  napi_deferred deferred_;
  Status status_;
};

}  // namespace

Status DescribeBusy(const Handle& handle, const Status& status) {
  if (!status.Is(Code::kBusy)) return status;
  return Status::Error(Code::kBusy, "writes wait faster than the disk takes them: pendingBytesMax (" +
                                        std::to_string(handle.options().pending_bytes_max) +
                                        " bytes) is reached; await earlier writes before making more");
}

Status DescribeBusyReaders(const Handle& handle) {
  return Status::Error(Code::kBusy, "too many reads wait for the disk: readerQueueMax (" +
                                        std::to_string(handle.options().reader_queue_max) +
                                        ") is reached; await earlier reads before making more");
}

void RunDetached(const char* name, std::function<void()> body) {
  DefaultEnv()->StartThread(name, std::move(body)).detach();
}

void JobCount::Begin() {
  std::lock_guard<std::mutex> lock(mutex_);
  count_++;
}

void JobCount::End() {
  std::lock_guard<std::mutex> lock(mutex_);
  // Under the lock: the waiter may destroy this object as soon as it sees zero.
  if (--count_ == 0) none_.notify_all();
}

void JobCount::WaitForNone() {
  std::unique_lock<std::mutex> lock(mutex_);
  none_.wait(lock, [this] { return count_ == 0; });
}

void CommitInbox::OnAcknowledged(uint64_t up_to_group) {
  std::unique_lock<std::mutex> lock(mutex_);
  news_.acknowledged = std::max(news_.acknowledged, up_to_group);
  Send(std::move(lock));
}

void CommitInbox::OnDurable(uint64_t up_to_group) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool wanted = durable_wanted_ > news_.durable;
  news_.durable = std::max(news_.durable, up_to_group);
  if (wanted) Send(std::move(lock));
}

void CommitInbox::OnFailed(uint64_t first_group, uint64_t last_group, const Status& status) {
  std::unique_lock<std::mutex> lock(mutex_);
  // A sticky failure reaches back to writes that were acknowledged and not yet durable: those are no longer waiting for
  // this.
  const uint64_t first_unacknowledged = std::max(first_group, news_.acknowledged + 1);
  news_.failures.push_back(Failure{first_group, first_unacknowledged, last_group, status});
  failing_.clear();  // it covers all that was taken back
  Send(std::move(lock));
}

void CommitInbox::OnTakenBack(uint64_t first_group, uint64_t last_group) {
  std::lock_guard<std::mutex> lock(mutex_);
  failing_.push_back({first_group, last_group});
}

void CommitInbox::OnRoom() {
  std::unique_lock<std::mutex> lock(mutex_);
  news_.room = true;
  Send(std::move(lock));
}

void CommitInbox::OnCompacted(const CompactionReport& report) {
  std::unique_lock<std::mutex> lock(mutex_);
  news_.compacted.Add(report);
  Send(std::move(lock));
}

void CommitInbox::Send(std::unique_lock<std::mutex> lock) {
  if (sent_) return;
  sent_ = true;
  lock.unlock();
  gate_->Post(std::make_unique<NewsDelivery>(shared_from_this()));
}

CommitInbox::News CommitInbox::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  sent_ = false;
  News news = std::move(news_);
  news_ = News();
  news_.acknowledged = news.acknowledged;
  news_.durable = news.durable;
  return news;
}

std::vector<CommitInbox::Groups> CommitInbox::taken_back() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Groups> groups = failing_;
  for (const Failure& failure : news_.failures) groups.push_back({failure.first_unacknowledged, failure.last_group});
  return groups;
}

void CommitInbox::WantDurable(uint64_t up_to_group) {
  std::unique_lock<std::mutex> lock(mutex_);
  durable_wanted_ = std::max(durable_wanted_, up_to_group);
  if (news_.durable >= up_to_group) Send(std::move(lock));
}

// Everything that outlives the handle on its way out.
struct Handle::Release {
  std::shared_ptr<Store> store;
  std::shared_ptr<CommitInbox> inbox;
  std::shared_ptr<JobCount> jobs;
  std::unordered_map<uint32_t, ScanSlot> scans;

  Status Run() {
    jobs->WaitForNone();
    scans.clear();  // before the store closes: a scan holds segments
    store->Kick();
    store->RemoveListener(inbox.get());
    return CloseShared(&store);
  }
};

Handle::Handle(Environment& environment, uint32_t id, std::shared_ptr<Store> store, napi_ref on_commit)
    : environment_(environment),
      id_(id),
      store_(std::move(store)),
      on_commit_(on_commit),
      inbox_(std::make_shared<CommitInbox>(environment.shared_gate(), id)) {
  store_->AddListener(inbox_.get());
}

Handle::~Handle() = default;

void Handle::HoldLoop() {
  holding_ = true;
  environment_.gate().Hold();
}

void Handle::LetLoopGo() {
  if (!holding_) return;
  holding_ = false;
  environment_.gate().Release();
}

void Handle::AwaitDurable(uint64_t group) {
  inbox_->WantDurable(group);
  if (group <= last_durable_) return;
  last_durable_ = group;
  if (!holding_) HoldLoop();
}

void Handle::AwaitRoom() {
  awaiting_room_ = true;
  if (!holding_) HoldLoop();
}

void Handle::DeliverNews() {
  const CommitInbox::News news = inbox_->Take();
  napi_env env = environment_.env();
  napi_value arguments[5];
  napi_get_undefined(env, &arguments[3]);
  napi_get_undefined(env, &arguments[4]);
  if (!news.failures.empty()) {
    for (const CommitInbox::Failure& failure : news.failures) {
      settled_group_ = std::max(settled_group_, failure.last_group);
      // What lies before it may still become durable, and somebody may wait for that.
      const bool is_of_it = last_durable_ >= failure.first_group && last_durable_ <= failure.last_group;
      if (is_of_it) last_durable_ = failure.first_group - 1;
    }
    const auto make = [&](size_t index) -> napi_value {
      const CommitInbox::Failure& failure = news.failures[index / 4];
      if (index % 4 == 3) return environment_.MakeError(failure.status);
      const uint64_t numbers[] = {failure.first_group, failure.first_unacknowledged, failure.last_group};
      const uint64_t number = numbers[index % 4];
      napi_value group;
      return napi_create_double(env, static_cast<double>(number), &group) == napi_ok ? group : nullptr;
    };
    arguments[3] = environment_.MakeArray(news.failures.size() * 4, make);
    if (arguments[3] == nullptr) return;
  }
  if (news.compacted.compactions != 0) {
    arguments[4] = MakeCompactionReport(env, news.compacted);
    if (arguments[4] == nullptr) return;
  }
  if (news.room) awaiting_room_ = false;
  settled_group_ = std::max(settled_group_, news.acknowledged);
  const bool settled = last_group_ <= settled_group_ && last_durable_ <= news.durable && !awaiting_room_;
  if (settled) LetLoopGo();
  napi_value callback;
  napi_value receiver;
  napi_create_double(env, static_cast<double>(news.acknowledged), &arguments[0]);
  napi_create_double(env, static_cast<double>(news.durable), &arguments[1]);
  napi_get_boolean(env, news.room, &arguments[2]);
  napi_get_undefined(env, &receiver);
  if (napi_get_reference_value(env, on_commit_, &callback) != napi_ok) return;
  napi_call_function(env, receiver, callback, 5, arguments, nullptr);
}

void Handle::CancelRequest(uint32_t token) {
  const auto found = requests_.find(token);
  if (found != requests_.end()) (store_.get()->*found->second.cancel)(found->second.number);
}

uint32_t Handle::AddScan(std::unique_ptr<Scan> scan) {
  const uint32_t scan_id = ++scan_ids_given_;
  scans_[scan_id].scan = std::move(scan);
  return scan_id;
}

Handle::ScanSlot* Handle::FindScan(uint32_t scan_id) {
  const auto found = scans_.find(scan_id);
  return found == scans_.end() ? nullptr : &found->second;
}

void Handle::WaitForScan(uint32_t scan_id, bool waiting) {
  ScanSlot* slot = FindScan(scan_id);
  if (slot == nullptr || slot->waiting == waiting) return;
  slot->waiting = waiting;
  if (waiting) {
    environment_.gate().Hold();
  } else {
    environment_.gate().Release();
  }
}

void Handle::EndScan(uint32_t scan_id) {
  ScanSlot* slot = FindScan(scan_id);
  if (slot == nullptr) return;
  WaitForScan(scan_id, false);
  slot->ended = true;
  if (!slot->busy) scans_.erase(scan_id);
}

void Handle::ScanIsIdle(uint32_t scan_id) {
  ScanSlot* slot = FindScan(scan_id);
  if (slot == nullptr) return;
  slot->busy = false;
  if (slot->ended) scans_.erase(scan_id);
}

uint32_t Handle::AddServer(std::shared_ptr<protocol::ServerSettings> settings) {
  servers_[++session_ids_given_] = std::move(settings);
  return session_ids_given_;
}

protocol::ServerSettings* Handle::FindServer(uint32_t server_id) {
  const auto found = servers_.find(server_id);
  return found == servers_.end() ? nullptr : found->second.get();
}

uint32_t Handle::AddSession(uint32_t server_id) {
  const auto server = servers_.find(server_id);
  if (server == servers_.end()) return 0;
  SessionSlot slot{server->second, nullptr};
  slot.session = std::make_unique<protocol::Session>(store_.get(), slot.settings.get());
  sessions_.emplace(++session_ids_given_, std::move(slot));
  return session_ids_given_;
}

protocol::Session* Handle::FindSession(uint32_t session_id) {
  const auto found = sessions_.find(session_id);
  return found == sessions_.end() ? nullptr : found->second.session.get();
}

std::shared_ptr<Handle::Release> Handle::TakeRelease() {
  sessions_.clear();  // they look at the store
  // The store may stay open for others; what this handle asked for is answered now.
  for (const auto& [token, request] : requests_) (store_.get()->*request.cancel)(request.number);
  environment_.tasks().CancelOf(id_);
  auto release = std::make_shared<Release>();
  release->store = std::move(store_);
  release->inbox = inbox_;
  release->jobs = jobs_;
  release->scans = std::move(scans_);
  return release;
}

void Handle::Close(napi_deferred deferred) {
  environment_.gate().Hold();
  LetLoopGo();
  for (const auto& scan : scans_) WaitForScan(scan.first, false);
  napi_delete_reference(environment_.env(), on_commit_);
  auto gate = environment_.shared_gate();
  auto release = TakeRelease();
  RunDetached("crabkv-close",
              [gate, release, deferred] { gate->Post(std::make_unique<CloseDelivery>(deferred, release->Run())); });
}

void Handle::Abandon() {
  auto release = TakeRelease();
  RunDetached("crabkv-release", [release] { static_cast<void>(release->Run()); });
}

}  // namespace crabkv::addon
