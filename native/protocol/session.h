// One connection as the protocols see it: bytes in, commands run, reply bytes out, in the order of the requests. There
// is no socket here and nothing waits: what cannot go on says why, and whoever feeds the session calls again.
//
// Used by one thread at a time. The store must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/protocol/command.h"
#include "native/protocol/command_counts.h"
#include "native/protocol/reply_writer.h"
#include "native/protocol/request_parser.h"
#include "native/protocol/transaction.h"

namespace crabkv::protocol {

// What all sessions of a server share. Outlives them.
struct ServerSettings {
  RequestLimits limits;
  ReplyForm line_form = ReplyForm::kText;  // of connections that have not spoken RESP; kResp2: as Redis
  uint64_t default_ttl_ms = 0;             // 0: none
  // Of one reply, that of EXEC included, and of what one command or transaction keeps in memory for it.
  uint64_t reply_bytes_max = uint64_t{64} << 20;
  bool needs_password = false;
  bool allows_debug = false;
  // Of a request before the password was said.
  uint32_t unauthenticated_arguments_max = 10;
  uint64_t unauthenticated_bytes_max = 16 << 10;
  std::shared_ptr<CommandCounts> counts = std::make_shared<CommandCounts>();
  // CLIENT PAUSE: commands wait.
  enum class Paused : uint8_t { kNo = 0, kWrites = 1, kAll = 2 } paused = Paused::kNo;
  uint32_t notification_classes = 0;  // NotificationClass bits that somebody wants to hear of
  // By IndexOf(command): goes up although it could run here (alone; EXEC goes up for what it has queued). One more at
  // the end: unknown commands.
  std::vector<bool> goes_up;
};

// Work that may wait for the disk, for a reader thread. Owns all that it needs but the store.
class SessionJob {
 public:
  virtual ~SessionJob() = default;
  // A bounded step; true when it was the last. Reader thread.
  virtual bool Step(Store& store) = 0;
};

class Session {
 public:
  enum class Outcome : uint8_t {
    kNeedMore = 0,  // all that came is answered
    kUp = 1,        // arguments() is a command for TypeScript: Answer or Proceed
    kJob = 2,       // TakeJob, run it, then Resume
    kBudget = 3,    // others' turn; then Resume
    kBusy = 4,      // the store takes no more writes: Resume when it has room
    kClose = 5,     // after the replies, the connection is to be closed
    kPaused = 6,    // CLIENT PAUSE: Resume when it is over
    kReplied = 7,   // output() is the reply of a captured command: Answer with what the client is to get
  };
  // How much one turn does: commands, and bytes of replies.
  static constexpr uint32_t kTurnCommands = 2048;
  static constexpr uint64_t kTurnReplyBytes = 512 << 10;

  Session(Store* store, const ServerSettings* settings);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes bytes and runs what is complete. While the session waits (kUp, kJob, kBusy, kPaused) they are only kept.
  Outcome Feed(std::string_view bytes);
  Outcome Resume();
  // The reply of the command that went up; more than one in a row is possible (SUBSCRIBE).
  Outcome Answer(std::string_view reply);
  // The command that went up runs here. `captures`: its reply is not for the client yet, see kReplied; to a connection
  // of text it is that of RESP3, and so has to be what an EXEC that is captured gets by Answer (PrintAsText makes text
  // of it). Its group is that of what Answer gives.
  Outcome Proceed(bool captures);
  // The command that went up, or the `queued`-th that its EXEC would run, becomes another. False: it cannot run there,
  // and nothing has changed.
  bool Replace(const std::vector<std::string_view>& words);
  bool ReplaceQueued(size_t queued, const std::vector<std::string_view>& words);
  // What the EXEC that went up would run; 0 of any other command.
  size_t QueuedCount() const;
  uint64_t QueuedWords() const;  // all of them together
  const std::vector<std::string_view>& QueuedArguments(size_t queued) const;
  // Nothing more is read; what is in output() still goes out, and so does the reply of a command that went up.
  void CloseAfterReplies();

  // --- What came out. The caller takes the bytes and clears the buffer.
  ReadBuffer& output() { return output_; }
  void ClearOutput();
  // Replies in it, and the commit group that must be acknowledged before they may be seen; both begin anew.
  uint32_t TakeReplyCount();
  uint64_t TakeGroup();
  // The same, and nothing begins anew.
  uint64_t Group() const;
  // What became of the first EXEC that has ended since: what its commands did up there may count, or not.
  enum class Fate : uint8_t { kNone = 0, kCommitted = 1, kDropped = 2 };
  Fate TakeExecFate() { return std::exchange(exec_fate_, Fate::kNone); }

  // Keyspace notifications of what was committed, back to back: length of the event (a byte), of the key (32 bits,
  // little endian), event, key. The caller takes them and clears the string.
  std::string& notifications() { return notifications_; }

  // --- For kUp and kJob.
  const std::vector<std::string_view>& arguments();
  std::unique_ptr<SessionJob> TakeJob() { return std::move(job_); }

  // --- State that TypeScript sets.
  ReplyForm form() const { return form_; }
  // Also while what it answers is captured.
  bool speaks_text() const { return IsText(form_); }
  // From now on the connection speaks RESP, in this form.
  void set_form(ReplyForm form) {
    form_ = form;
    reply_.set_form(form);
    spoke_resp_ = true;
  }
  void set_authenticated(bool authenticated);
  // Whether the connection has subscribed to something.
  void set_subscribed(bool subscribed) { subscribed_ = subscribed; }
  // Then before RESP3, where a reply could be taken for a message, only kSubscribed commands run.
  bool is_restricted() const { return subscribed_ && form_ != ReplyForm::kResp3; }
  // CLIENT REPLY, whose own reply counts: that and the next are left out, or all. Inside of EXEC it is about EXEC's.
  enum class Muted : uint8_t { kNone = 0, kNext = 1, kAll = 2 };
  void Mute(Muted which);
  // Forgets MULTI and WATCH, as RESET does.
  void Forget();
  // Whether a request has begun that is not there in full.
  bool is_midway() const { return parser_.is_midway(); }
  // Memory that the connection makes the server hold: for an unfinished request, MULTI, EXEC and WATCH.
  uint64_t held_bytes() const;
  // The connection is quiet: gives back what is kept to be used again.
  void Trim();
  // Whether EXEC is under way: what goes up is one of its commands.
  bool executing() const;

  // --- For commands.
  const ServerSettings& settings() const { return *settings_; }
  // The job runs, and then the command again, which finds it with FinishedJob.
  Run StartJob(std::unique_ptr<SessionJob> job, std::shared_ptr<void> result);
  const std::shared_ptr<void>& FinishedJob() const { return job_result_; }
  void Notify(std::string_view event, std::string_view key);
  void CountLookup(bool found) { (found ? pending_hits_ : pending_misses_)++; }
  Run Multi();
  Run Discard();
  Run Exec();
  Run Watch(Call& call);
  void Unwatch();

 private:
  // While MULTI is on, see session_multi.h.
  struct Queued;
  struct MultiState;
  struct Watched {
    std::string key;
    bool found;
    uint64_t version;
    uint64_t expires_at_ms;
    uint32_t counter_index;  // the key's change counter, and what it stood at
    uint32_t counter;
  };
  // Losing this often against other writers is no accident any more.
  static constexpr uint32_t kTriesMax = 10000;

  Outcome RunRequests();
  // Runs or queues the request that the parser has taken.
  Outcome Dispatch();
  Outcome RunHere(const Command& command);
  Outcome RunQueued();
  bool WatchedStandStill() const;
  void RestorePartial();
  Outcome PauseExec(Outcome outcome);
  Outcome AbandonExec(const Status& why);
  Outcome FinishExec();
  void EndMulti();
  void EndExec(Fate fate);
  void ForgetNoted();
  void CommitNoted();
  bool StopFor(const Status& status);
  // The bound on what a command makes, after it has run.
  bool IsTooLarge() const { return reply_.overflowed() || transaction_.held_bytes() > settings_->reply_bytes_max; }
  Status TooLarge() const;
  bool PrintsTooLarge() const;
  void SpeakResp();
  Outcome Fail(std::string_view message);
  bool IsPaused(const Command& command) const;
  bool Refuses(const Command* command);
  std::string RefusalOf(const Command& command);
  bool IsForbidden(const Command& command) const;
  bool IsNotForMulti(const Command& command) const;
  void RefuseUnknown();
  bool IsHooked(const Command& command) const;
  bool IsUnknownToHook();
  // Of the command under way.
  const std::vector<std::string_view>& Words();
  const Command* FindReplacement(const std::vector<std::string_view>& words) const;
  void Queue(const Command& command);
  void EndCommand();
  void Count();
  Call MakeCall(const std::vector<std::string_view>& arguments, bool alone);
  bool LooksLikeHttp() const;
  // Of the keys of the command under way.
  std::unique_ptr<SessionJob> WarmUp();

  Store* const store_;
  const ServerSettings* const settings_;
  RequestParser parser_;
  ReadBuffer output_;
  ReplyForm form_;  // reply_ has another one while a captured command runs
  ReplyWriter reply_;
  Transaction transaction_;

  Outcome waits_ = Outcome::kNeedMore;  // any other while it does
  bool closes_ = false;                 // when the command under way has its reply
  bool spoke_resp_ = false;
  bool first_request_ = true;
  bool authenticated_;
  bool subscribed_ = false;
  const Command* command_ = nullptr;  // of the request under way
  uint64_t reply_begin_ = 0;          // of the command under way
  uint64_t began_ns_ = 0;             // the same; 0: nobody wants to know
  uint32_t tries_ = 0;
  std::unique_ptr<Queued> replaced_;  // the command under way is this one, not the parser's
  bool captures_ = false;             // its reply is for TypeScript
  bool captured_ = false;             // and is there

  uint32_t replies_ = 0;
  static constexpr uint32_t kAllReplies = UINT32_MAX;
  uint32_t muted_replies_ = 0;  // yet to come; kAllReplies: for good
  uint64_t group_ = 0;

  std::unique_ptr<SessionJob> job_;
  std::shared_ptr<void> job_result_;
  std::shared_ptr<Status> warm_up_failure_;  // how the job that warms up ended
  std::unique_ptr<MultiState> multi_;
  Fate exec_fate_ = Fate::kNone;
  // Of the command or EXEC under way, see notifications.cc.
  std::string pending_notifications_;
  uint64_t pending_hits_ = 0;
  uint64_t pending_misses_ = 0;
  std::string notifications_;  // of what was committed
  std::vector<Watched> watched_;
  uint64_t watched_bytes_ = 0;  // of their keys
  const std::shared_ptr<ChangeCounters> change_counters_;
};

}  // namespace crabkv::protocol
