// One open store as one environment sees it: the store reference, the commit listener, the scans, and how long the
// event loop must stay alive for it. Used on the JavaScript thread; the parts that native threads touch say so.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/addon/gate.h"
#include "native/core/store.h"
#include "native/protocol/session.h"

namespace crabkv::addon {

class Environment;
class Handle;

// The same status, or for kBusy of a write one that names the bound and says what to do.
Status DescribeBusy(const Handle& handle, const Status& status);
Status DescribeBusyReaders(const Handle& handle);

// Runs `body` on a native thread that nothing waits for.
void RunDetached(const char* name, std::function<void()> body);

// Jobs of a handle that run on native threads and use its store or its scans. Any thread.
class JobCount {
 public:
  void Begin();
  void End();  // the last thing a job does
  void WaitForNone();

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  uint32_t count_ = 0;  // guarded by mutex_
};

// The handle's ear in the store: collects what native threads report and sends it through the gate, one delivery at a
// time however many reports come in meanwhile.
class CommitInbox : public CommitListener, public std::enable_shared_from_this<CommitInbox> {
 public:
  struct Failure {
    uint64_t first_group;
    // The groups before it were acknowledged, and fail only those who wait for durability.
    uint64_t first_unacknowledged;
    uint64_t last_group;
    Status status;
  };
  struct Groups {
    uint64_t first;
    uint64_t last;
  };
  struct News {
    uint64_t acknowledged = 0;
    uint64_t durable = 0;
    bool room = false;
    std::vector<Failure> failures;
    CompactionReport compacted;  // of all that ended meanwhile
  };

  CommitInbox(std::shared_ptr<Gate> gate, uint32_t handle_id) : gate_(std::move(gate)), handle_id_(handle_id) {}

  // --- Native threads.
  void OnAcknowledged(uint64_t up_to_group) override;
  void OnDurable(uint64_t up_to_group) override;
  void OnFailed(uint64_t first_group, uint64_t last_group, const Status& status) override;
  void OnTakenBack(uint64_t first_group, uint64_t last_group) override;
  void OnRoom() override;
  void OnCompacted(const CompactionReport& report) override;

  // --- JavaScript thread.
  uint32_t handle_id() const { return handle_id_; }
  // What came in since the last call; watermarks are repeated.
  News Take();
  // Groups that are taken back, of whose failure no Take has told.
  std::vector<Groups> taken_back();
  // Without this, syncs that nobody waits for do not wake JavaScript.
  void WantDurable(uint64_t up_to_group);

 private:
  void Send(std::unique_lock<std::mutex> lock);  // releases `lock`

  const std::shared_ptr<Gate> gate_;
  const uint32_t handle_id_;
  std::mutex mutex_;
  News news_;                    // guarded by mutex_
  std::vector<Groups> failing_;  // guarded by mutex_: taken back, and no failure is told of them yet
  uint64_t durable_wanted_ = 0;  // guarded by mutex_
  bool sent_ = false;            // guarded by mutex_: a delivery is on its way
};

class Handle {
 public:
  // `on_commit` is called with (acknowledged, durable, room, [first, last, error, ...] | undefined, report of
  // compactions | undefined).
  Handle(Environment& environment, uint32_t id, std::shared_ptr<Store> store, napi_ref on_commit);
  ~Handle();
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  uint32_t id() const { return id_; }
  Store& store() { return *store_; }
  const Store& store() const { return *store_; }
  const Options& options() const { return store_->options(); }
  const std::shared_ptr<JobCount>& jobs() const { return jobs_; }

  // Keeps the event loop alive until `group` is acknowledged or failed.
  void AwaitGroup(uint64_t group) {
    if (group <= last_group_ || group <= settled_group_) return;
    last_group_ = group;
    if (!holding_) HoldLoop();
  }
  // The same until `group` is durable or failed.
  void AwaitDurable(uint64_t group);
  // The same until the store has room again.
  void AwaitRoom();
  // Passes news on to JavaScript.
  void DeliverNews();
  // What it will say has failed, as far as that is taken back.
  std::vector<CommitInbox::Groups> taken_back() { return inbox_->taken_back(); }

  // --- Compactions and backups that this handle asked for and that are not answered yet, by the token that JavaScript
  // gave them.
  struct Request {
    void (Store::*cancel)(uint64_t);
    uint64_t number;  // the store's
  };
  void AddRequest(uint32_t token, Request request) { requests_[token] = request; }
  void CancelRequest(uint32_t token);
  void EndRequest(uint32_t token) { requests_.erase(token); }

  // --- Scans and feeds. Each is used by one job at a time, and destroyed on this thread or, at close, by Release.
  struct ScanSlot {
    std::unique_ptr<Scan> scan;
    bool busy = false;     // a job uses it
    bool ended = false;    // to be destroyed when the job is done
    bool waiting = false;  // a feed whose next change is waited for: holds the event loop
  };
  uint32_t AddScan(std::unique_ptr<Scan> scan);
  ScanSlot* FindScan(uint32_t scan_id);
  void EndScan(uint32_t scan_id);
  void WaitForScan(uint32_t scan_id, bool waiting);
  void ScanIsIdle(uint32_t scan_id);

  // --- Sessions of servers, by numbers that are never used again. They run on this thread; their jobs own all that
  // they need, so a session can go at any time.
  struct SessionSlot {
    std::shared_ptr<const protocol::ServerSettings> settings;
    std::unique_ptr<protocol::Session> session;
  };
  uint32_t AddServer(std::shared_ptr<protocol::ServerSettings> settings);
  // Null when there is none with this number.
  protocol::ServerSettings* FindServer(uint32_t server_id);
  // 0 when there is no such server.
  uint32_t AddSession(uint32_t server_id);
  protocol::Session* FindSession(uint32_t session_id);
  void EndSession(uint32_t session_id) { sessions_.erase(session_id); }

  // Give up the store on a native thread, after the jobs in flight. The handle is of no use afterwards.
  void Close(napi_deferred deferred);  // `deferred` settles when the store is closed
  void Abandon();                      // nobody is told; Node-API is not used

 private:
  struct Release;  // what the native thread needs

  std::shared_ptr<Release> TakeRelease();
  void HoldLoop();
  void LetLoopGo();

  Environment& environment_;
  const uint32_t id_;
  std::shared_ptr<Store> store_;
  napi_ref on_commit_;
  std::shared_ptr<CommitInbox> inbox_;
  std::shared_ptr<JobCount> jobs_ = std::make_shared<JobCount>();
  std::unordered_map<uint32_t, Request> requests_;
  std::unordered_map<uint32_t, ScanSlot> scans_;
  uint32_t scan_ids_given_ = 0;
  std::unordered_map<uint32_t, std::shared_ptr<protocol::ServerSettings>> servers_;
  std::unordered_map<uint32_t, SessionSlot> sessions_;
  uint32_t session_ids_given_ = 0;  // of servers, too

  // Groups that JavaScript waits for, and whether that holds the event loop.
  uint64_t last_group_ = 0;
  uint64_t last_durable_ = 0;
  uint64_t settled_group_ = 0;  // told of, up to this one: who learns of a group later than its fate waits for nothing
  bool awaiting_room_ = false;
  bool holding_ = false;
};

}  // namespace crabkv::addon
