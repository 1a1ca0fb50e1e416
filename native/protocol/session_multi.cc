// MULTI to EXEC: commands are queued, then run one after the other in one transaction, which is committed as one batch,
// so in one frame of the log. When somebody else wrote what they read, they run again; what came from TypeScript in
// between is kept for that. WATCHed keys are conditions of the same batch.
#include "native/protocol/session_multi.h"

namespace crabkv::protocol {

namespace {

constexpr uint64_t kQueuedBytesMax = uint64_t{64} << 20;
constexpr size_t kQueuedCommandsMax = 1 << 20;
constexpr size_t kWatchedKeysMax = 1 << 16;
constexpr size_t kWatchedKeysKept = 16;

// Reads keys, so that their pages are in memory when the command runs again.
class WarmUpJob : public SessionJob {
 public:
  WarmUpJob(std::vector<std::string> keys, std::shared_ptr<Status> failure)
      : keys_(std::move(keys)), failure_(std::move(failure)) {}
  bool Step(Store& store) override {
    constexpr size_t kKeysOfStep = 64;
    for (size_t read = 0; read < kKeysOfStep && next_ < keys_.size(); read++) {
      ReadBuffer value;
      EntryInfo info;
      *failure_ = store.Get(keys_[next_++], DiskWait::kAllowed, &value, &info);
      if (!failure_->ok()) return true;
    }
    return next_ == keys_.size();
  }

 private:
  const std::vector<std::string> keys_;
  const std::shared_ptr<Status> failure_;
  size_t next_ = 0;
};

void CollectKeys(const Command& command, const std::vector<std::string_view>& arguments,
                 std::vector<std::string>* keys) {
  if (command.first_key == 0) return;
  const int count = static_cast<int>(arguments.size());
  const int last = command.last_key < 0 ? count + command.last_key : command.last_key;
  for (int i = command.first_key; i <= last && i < count; i += command.key_step) {
    keys->emplace_back(arguments[static_cast<size_t>(i)]);
  }
}

}  // namespace

std::unique_ptr<SessionJob> Session::WarmUp() {
  std::vector<std::string> keys;
  if (multi_ != nullptr && multi_->executing) {
    for (const Queued& queued : multi_->queue) CollectKeys(*queued.command, queued.arguments, &keys);
    for (const Watched& watched : watched_) keys.push_back(watched.key);
  } else {
    CollectKeys(*command_, Words(), &keys);
  }
  warm_up_failure_ = std::make_shared<Status>();
  return std::make_unique<WarmUpJob>(std::move(keys), warm_up_failure_);
}

void Session::Queue(const Command& command) {
  uint64_t bytes = 0;
  for (const std::string_view argument : parser_.Arguments()) bytes += argument.size();
  if (multi_->queue.size() >= kQueuedCommandsMax || multi_->queued_bytes + bytes > kQueuedBytesMax) {
    multi_->spoiled = true;
    return reply_.Error("ERR the transaction is too large");
  }
  multi_->queued_bytes += bytes;
  multi_->queued_words += parser_.Arguments().size();
  multi_->writes = multi_->writes || (command.flags & kWrite) != 0;
  Queued queued;
  queued.command = &command;
  queued.Keep(parser_.Arguments());
  multi_->queue.push_back(std::move(queued));
  reply_.Simple("QUEUED");
}

void Session::Queued::Keep(const std::vector<std::string_view>& words) {
  uint64_t total = 0;
  for (const std::string_view word : words) total += word.size();
  std::vector<char> own;
  own.reserve(total);  // so that the views stay good
  arguments.clear();
  for (const std::string_view word : words) {
    arguments.push_back(std::string_view(own.data() + own.size(), word.size()));
    own.insert(own.end(), word.begin(), word.end());
  }
  bytes = std::move(own);
}

Run Session::Multi() {
  if (multi_ != nullptr) {
    reply_.Error("ERR MULTI calls can not be nested");
    return Run::kDone;
  }
  multi_ = std::make_unique<MultiState>();
  reply_.Ok();
  return Run::kDone;
}

void Session::EndMulti() {
  multi_.reset();
  Unwatch();
}

void Session::Unwatch() {
  watched_.clear();
  watched_bytes_ = 0;
  if (watched_.capacity() > kWatchedKeysKept) watched_.shrink_to_fit();
}

uint64_t Session::held_bytes() const {
  const uint64_t bytes =
      parser_.held_bytes() + watched_bytes_ + watched_.capacity() * sizeof(Watched) + transaction_.memory_bytes();
  if (multi_ == nullptr) return bytes;
  return bytes + multi_->queued_bytes + multi_->queued_words * sizeof(std::string_view) +
         multi_->queue.capacity() * sizeof(Queued) + multi_->answered_bytes + multi_->partial.capacity();
}

void Session::EndExec(Fate fate) {
  if (exec_fate_ == Fate::kNone) exec_fate_ = fate;
  EndMulti();
}

void Session::Forget() {
  if (muted_replies_ == kAllReplies) muted_replies_ = 0;
  if (multi_ == nullptr || !multi_->executing) EndMulti();
}

Run Session::Discard() {
  if (multi_ == nullptr) {
    reply_.Error("ERR DISCARD without MULTI");
    return Run::kDone;
  }
  EndMulti();
  reply_.Ok();
  return Run::kDone;
}

Run Session::Watch(Call& call) {
  if (multi_ != nullptr) return call.Error("ERR WATCH inside MULTI is not allowed");
  if (watched_.size() + call.size() > kWatchedKeysMax) return call.Error("ERR too many keys are watched");
  const size_t before = watched_.size();
  const uint64_t bytes_before = watched_bytes_;
  for (size_t i = 1; i < call.size(); i++) {
    EntryInfo info;
    const Status status = store_->Get(call[i], call.keys.wait(), nullptr, &info);
    if (!status.ok()) {
      watched_.resize(before);
      watched_bytes_ = bytes_before;
      return call.Stop(status);
    }
    watched_bytes_ += call[i].size();
    watched_.push_back(
        {std::string(call[i]), info.found, info.version, info.expires_at_ms, info.counter_index, info.counter});
  }
  reply_.Ok();
  return Run::kDone;
}

Run Session::Exec() {
  if (multi_ == nullptr) {
    reply_.Error("ERR EXEC without MULTI");
    return Run::kDone;
  }
  if (multi_->spoiled) {
    EndMulti();
    reply_.Error("EXECABORT Transaction discarded because of previous errors.");
    return Run::kDone;
  }
  multi_->executing = true;
  multi_->next = 0;
  return Run::kDone;
}

// A key that was changed and is as before has changed all the same; its counter knows. (It is shared with other keys:
// now and then EXEC refuses for one of those, as it may.)
bool Session::WatchedStandStill() const {
  for (const Watched& watched : watched_) {
    if (change_counters_->Load(watched.counter_index) != watched.counter) return false;
  }
  return true;
}

// Goes on with EXEC where it is.
Session::Outcome Session::RunQueued() {
  reply_begin_ = output_.size();
  reply_.Bound(settings_->reply_bytes_max);
  if (multi_->next != 0) {
    RestorePartial();
  } else {
    transaction_.Reset();
    ForgetNoted();
    if (!WatchedStandStill()) {
      reply_.NullArray();
      EndExec(Fate::kDropped);
      EndCommand();
      return waits_ = Outcome::kNeedMore;
    }
    for (const Watched& watched : watched_) {
      transaction_.Require(watched.key, watched.found, watched.version, watched.expires_at_ms);
    }
    reply_.Array(multi_->queue.size());
  }
  while (multi_->next < multi_->queue.size()) {
    Queued& queued = multi_->queue[multi_->next];
    if (queued.answered) {
      reply_.Raw(queued.answer);
    } else if ((queued.command->flags & kUp) != 0 && !queued.proceeds) {
      return PauseExec(Outcome::kUp);
    } else {
      Call call = MakeCall(queued.arguments, false);
      const Run run = queued.command->run(call);
      if (run == Run::kJob) return PauseExec(Outcome::kJob);
      if (run == Run::kStopped) return AbandonExec(transaction_.status());
    }
    if (IsTooLarge()) return AbandonExec(TooLarge());
    multi_->next++;
    job_result_.reset();
  }
  return FinishExec();
}

// Mostly there is nothing else in the output, and the buffers change places: copied there and back for each command
// that goes up, the replies before it would take time by the square of their number.
Session::Outcome Session::PauseExec(Outcome outcome) {
  multi_->partial.Clear();
  if (reply_begin_ == 0) {
    std::swap(output_, multi_->partial);
  } else {
    const std::string_view reply = output_.view().substr(reply_begin_);
    reply.copy(multi_->partial.Extend(reply.size()), reply.size());
    output_.Shrink(reply_begin_);
  }
  return waits_ = outcome;
}

void Session::RestorePartial() {
  if (output_.size() == 0) {
    std::swap(output_, multi_->partial);
  } else {
    reply_.Raw(multi_->partial.view());
  }
}

// Waits and begins anew, or answers with an error.
Session::Outcome Session::AbandonExec(const Status& why) {
  multi_->next = 0;
  if (StopFor(Status(why))) return waits_;
  EndExec(Fate::kDropped);
  EndCommand();
  return waits_ = Outcome::kNeedMore;
}

Session::Outcome Session::FinishExec() {
  if (PrintsTooLarge()) return AbandonExec(TooLarge());
  Fate fate = Fate::kDropped;
  switch (transaction_.Commit(true, &group_)) {
    case Transaction::Fate::kStopped:
      return AbandonExec(transaction_.status());
    case Transaction::Fate::kConflict:
      multi_->next = 0;
      transaction_.Reset();
      output_.Shrink(reply_begin_);
      if (++tries_ < kTriesMax) return RunQueued();
      reply_.Error("ERR too many others write the same keys");
      break;
    case Transaction::Fate::kRequiredFailed:
      output_.Shrink(reply_begin_);
      reply_.NullArray();
      break;
    case Transaction::Fate::kCommitted:
      fate = Fate::kCommitted;
      CommitNoted();
      break;
  }
  EndExec(fate);
  EndCommand();
  return waits_ = Outcome::kNeedMore;
}

}  // namespace crabkv::protocol
