#include "native/protocol/session.h"

#include "native/protocol/commands.h"
#include "native/protocol/key_scout.h"
#include "native/protocol/session_multi.h"
#include "native/protocol/text_printer.h"

namespace crabkv::protocol {

namespace {

constexpr uint64_t kOutputKeptBytes = 256 << 10;
constexpr uint32_t kWarmUpsMax = 4;
constexpr char kDebugIsOff[] =
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a "
    "local "
    "connection, otherwise you need to set this option in the configuration file, and then restart the server.";

// What a failure of the store looks like to a client.
std::string ErrorOf(const Status& status) {
  switch (status.code()) {
    case Code::kDiskFull:
    case Code::kIo:
    case Code::kFailed:
    case Code::kIndeterminate:
      return "MISCONF Errors writing to the log: " + status.message();
    case Code::kReadOnly:
      return "READONLY You can't write against a read only store.";
    default:
      return "ERR " + status.message();
  }
}

}  // namespace

Run Call::Stop(const Status& status) {
  keys.Stop(status);
  return Run::kStopped;
}

Session::Session(Store* store, const ServerSettings* settings)
    : store_(store),
      settings_(settings),
      parser_(settings->limits),
      form_(settings->line_form),
      reply_(&output_, settings->line_form),
      transaction_(store, settings->reply_bytes_max),
      authenticated_(true),
      change_counters_(store->SharedChangeCounters()) {
  set_authenticated(!settings->needs_password);
}

Session::~Session() = default;

void Session::set_authenticated(bool authenticated) {
  authenticated_ = authenticated;
  parser_.Restrict(authenticated ? 0 : settings_->unauthenticated_arguments_max,
                   authenticated ? 0 : settings_->unauthenticated_bytes_max);
}

Session::Outcome Session::Feed(std::string_view bytes) {
  if (waits_ == Outcome::kClose) return waits_;
  if (output_.size() == 0) output_.Trim(kOutputKeptBytes);
  if (parser_.IsFull(bytes.size())) {
    if (!parser_.is_line()) SpeakResp();
    return Fail("ERR Protocol error: too big request");
  }
  parser_.Append(bytes);
  return waits_ == Outcome::kNeedMore ? RunRequests() : waits_;
}

Session::Outcome Session::RunRequests() {
  if (captured_) return waits_ = Outcome::kReplied;
  if (closes_) return waits_ = Outcome::kClose;
  waits_ = Outcome::kNeedMore;
  KeyScout<Store> scout(store_);
  for (uint32_t commands = 0; commands < kTurnCommands && output_.size() < kTurnReplyBytes; commands++) {
    switch (parser_.Next()) {
      case RequestParser::Result::kNeedMore:
        return waits_;
      case RequestParser::Result::kError:
        if (!parser_.is_line()) SpeakResp();
        return Fail(parser_.error());
      case RequestParser::Result::kRequest:
        break;
    }
    scout.LookAhead(parser_.waiting());
    waits_ = Dispatch();
    if (waits_ != Outcome::kNeedMore) return waits_;
  }
  if (parser_.waiting_bytes() != 0) return waits_ = Outcome::kBudget;
  parser_.Trim();  // the last request is done with, and Next() was not asked for another
  return waits_ = Outcome::kNeedMore;
}

Session::Outcome Session::Fail(std::string_view message) {
  reply_.Bound(settings_->reply_bytes_max);
  reply_.Error(message);
  replies_++;
  return waits_ = Outcome::kClose;
}

// A request in RESP makes the connection one of RESP.
void Session::SpeakResp() {
  if (spoke_resp_) return;
  set_form(reply_.is_text() ? ReplyForm::kResp2 : reply_.form());
}

// A browser, or a page that makes one send what a command could hide in.
bool Session::LooksLikeHttp() const {
  const std::string_view line = parser_.line();
  const size_t at = line.rfind(" HTTP/1.");
  return at != std::string_view::npos && line.size() - at == std::string_view(" HTTP/1.1").size();
}

Session::Outcome Session::Dispatch() {
  const std::vector<std::string_view>& arguments = parser_.Arguments();
  reply_begin_ = output_.size();
  began_ns_ = settings_->counts->timed ? MonotonicNs() : 0;
  reply_.Bound(settings_->reply_bytes_max);
  const bool first = first_request_;
  first_request_ = false;
  if (!parser_.is_line()) SpeakResp();
  if (Is(arguments[0], "POST") || Is(arguments[0], "HOST:") || (first && parser_.is_line() && LooksLikeHttp())) {
    return waits_ = Outcome::kClose;
  }
  // Most requests of a pipeline name the command that the one before did.
  if (command_ == nullptr || !Is(arguments[0], command_->name)) command_ = FindCommand(arguments[0]);
  if (command_ != nullptr && (command_->flags & kTextOnly) != 0 && spoke_resp_) command_ = nullptr;
  if (multi_ == nullptr && authenticated_ && IsUnknownToHook()) return Outcome::kUp;
  if (Refuses(command_)) {
    if (multi_ != nullptr) multi_->spoiled = true;
    EndCommand();
    return Outcome::kNeedMore;
  }
  if (settings_->paused != ServerSettings::Paused::kNo && IsPaused(*command_)) return Outcome::kPaused;
  if (multi_ != nullptr && (command_->flags & kNotQueued) == 0) {
    Queue(*command_);
    EndCommand();
    return Outcome::kNeedMore;
  }
  return (command_->flags & kUp) != 0 || IsHooked(*command_) ? Outcome::kUp : RunHere(*command_);
}

// Whether the command waits for the end of CLIENT PAUSE. (MULTI does not queue one that writes, as in Redis.)
bool Session::IsPaused(const Command& command) const {
  if (settings_->paused == ServerSettings::Paused::kAll || (command.flags & kWrite) != 0) return true;
  return multi_ != nullptr && command.run == &protocol::Exec && multi_->writes;
}

void Session::Mute(Muted which) {
  if (which == Muted::kNext && muted_replies_ == kAllReplies) return;
  muted_replies_ = which == Muted::kNone ? 0 : which == Muted::kAll ? kAllReplies : 2;
}

// Writes the error when the command cannot run.
bool Session::Refuses(const Command* command) {
  if (command == nullptr) {
    RefuseUnknown();
    return true;
  }
  const std::string message = RefusalOf(*command);
  if (message.empty()) return false;
  if (command->run == &protocol::Exec && message.substr(0, 4) == "ERR ") {
    reply_.Error("EXECABORT Transaction discarded because of: " + message.substr(4));
    EndMulti();
  } else {
    reply_.Error(message);
  }
  return true;
}

bool Session::IsForbidden(const Command& command) const {
  return command.run == &protocol::Debug && !settings_->allows_debug;
}

// Nobody could read the one reply of EXEC if it began as text and went on as RESP.
bool Session::IsNotForMulti(const Command& command) const {
  const bool changes_text = speaks_text() && command.name == "hello";
  return multi_ != nullptr && ((command.flags & kNoMulti) != 0 || changes_text);
}

// Why the command cannot run; empty when it can.
std::string Session::RefusalOf(const Command& command) {
  std::string misfit = MisfitOf(command, parser_.Arguments(), speaks_text());
  if (!misfit.empty()) return misfit;
  if (IsForbidden(command)) return kDebugIsOff;
  if (!authenticated_ && (command.flags & kNoAuth) == 0) return "NOAUTH Authentication required.";
  if (is_restricted() && (command.flags & kSubscribed) == 0) {
    return "ERR Can't execute '" + FullName(command, parser_.Arguments()) +
           "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
  }
  if (IsNotForMulti(command)) return "ERR Command not allowed inside a transaction";
  return std::string();
}

void Session::RefuseUnknown() {
  constexpr size_t kShown = 128;
  const auto shown = [](std::string_view text, size_t most) { return text.substr(0, text.find('\0')).substr(0, most); };
  const std::vector<std::string_view>& arguments = parser_.Arguments();
  if (speaks_text()) {
    reply_.Error("ERR unknown command '" + std::string(shown(arguments[0], kShown)) + "', HELP shows all of them");
    return;
  }
  std::string begin;
  for (size_t i = 1; i < arguments.size() && begin.size() < kShown; i++) {
    begin += "'" + std::string(shown(arguments[i], kShown - begin.size())) + "' ";
  }
  reply_.Error("ERR unknown command '" + std::string(shown(arguments[0], kShown)) +
               "', with args beginning with: " + begin);
}

void Session::Count() {
  const std::string_view reply = output_.view().substr(std::min<uint64_t>(reply_begin_, output_.size()));
  const bool failed = reply_.is_text() ? reply.substr(0, 4) == "ERR " : reply.substr(0, 1) == "-";
  settings_->counts->Add(command_, failed);
  if (began_ns_ != 0) settings_->counts->AddTime(command_, MonotonicNs() - began_ns_);
}

void Session::EndCommand() {
  if (!captures_) Count();
  if (captures_) {
    captures_ = false;
    captured_ = true;
    reply_.set_form(form_);
  } else if (muted_replies_ == 0) {
    replies_++;
  } else {
    output_.Shrink(reply_begin_);
    if (muted_replies_ != kAllReplies) muted_replies_--;
  }
  if (!transaction_.is_empty()) transaction_.Reset();
  if (job_result_ != nullptr) job_result_.reset();
  if (tries_ == 0) return;
  tries_ = 0;
  transaction_.set_wait(DiskWait::kNever);
}

Call Session::MakeCall(const std::vector<std::string_view>& arguments, bool alone) {
  return Call{
      arguments, transaction_, reply_, *store_, *this, settings_->default_ttl_ms, store_->options().value_bytes_max,
      alone,     &group_};
}

Status Session::TooLarge() const {
  return Status::Error(Code::kTooLarge, "the reply, or what the command needs for it, is larger than " +
                                            std::to_string(settings_->reply_bytes_max) + " bytes");
}

// What was captured is to be printed yet; when it turns out too large only then, the command has run.
bool Session::PrintsTooLarge() const {
  if (!captures_ || !speaks_text()) return false;
  ReadBuffer text;
  ReplyWriter writer(&text, form_);
  writer.Bound(settings_->reply_bytes_max);
  PrintAsText(output_.view().substr(reply_begin_), &writer);
  return writer.overflowed();
}

Session::Outcome Session::RunHere(const Command& command) {
  reply_begin_ = output_.size();
  for (;;) {
    reply_.Bound(settings_->reply_bytes_max);
    ForgetNoted();
    Call call = MakeCall(Words(), true);
    const Run run = command.run(call);
    if (multi_ != nullptr && multi_->executing) return RunQueued();  // this was EXEC
    if (run == Run::kJob) return waits_ = Outcome::kJob;
    Transaction::Fate fate = Transaction::Fate::kStopped;
    if (run != Run::kStopped && (IsTooLarge() || PrintsTooLarge())) {
      transaction_.Stop(TooLarge());
    } else if (run != Run::kStopped) {
      fate = transaction_.is_empty() ? Transaction::Fate::kCommitted : transaction_.Commit(false, &group_);
    }
    if (fate == Transaction::Fate::kCommitted) CommitNoted();
    if (fate == Transaction::Fate::kStopped && StopFor(transaction_.status())) return waits_;
    if (fate == Transaction::Fate::kConflict) {
      output_.Shrink(reply_begin_);
      transaction_.Reset();
      if (++tries_ < kTriesMax) continue;
      reply_.Error("ERR too many others write the same keys");
    }
    closes_ = closes_ || run == Run::kClose;
    EndCommand();
    return waits_ = closes_ && !captured_ ? Outcome::kClose : Outcome::kNeedMore;
  }
}

// The command could not go on. True: it waits and runs again; false: its reply is an error.
bool Session::StopFor(const Status& status) {
  output_.Shrink(reply_begin_);
  reply_.Bound(settings_->reply_bytes_max);
  if (status.Is(Code::kNotResident)) {
    // Pages that leave memory as fast as they come: better to wait for them here than not to end.
    if (++tries_ >= kWarmUpsMax) transaction_.set_wait(DiskWait::kAllowed);
    job_ = WarmUp();
    waits_ = Outcome::kJob;
  } else if (status.Is(Code::kBusy)) {
    waits_ = Outcome::kBusy;
  } else {
    reply_.Error(ErrorOf(status));
    return false;
  }
  transaction_.Reset();
  return true;
}

Session::Outcome Session::Resume() {
  switch (waits_) {
    case Outcome::kBudget:
      return RunRequests();
    case Outcome::kPaused:
      waits_ = Dispatch();
      return waits_ == Outcome::kNeedMore ? RunRequests() : waits_;
    case Outcome::kJob:
    case Outcome::kBusy:
      break;
    default:
      return waits_;
  }
  waits_ = Outcome::kNeedMore;
  if (warm_up_failure_ != nullptr && !warm_up_failure_->ok()) {
    // Reading again would only find again that the page is not there.
    const Status failure = *warm_up_failure_;
    warm_up_failure_.reset();
    reply_begin_ = output_.size();
    if (multi_ != nullptr) EndExec(Fate::kDropped);
    reply_.Error(ErrorOf(failure));
    EndCommand();
    return RunRequests();
  }
  warm_up_failure_.reset();
  const Outcome outcome = multi_ != nullptr && multi_->executing ? RunQueued() : RunHere(*command_);
  return outcome == Outcome::kNeedMore ? RunRequests() : outcome;
}

Run Session::StartJob(std::unique_ptr<SessionJob> job, std::shared_ptr<void> result) {
  job_ = std::move(job);
  job_result_ = std::move(result);
  return Run::kJob;
}

void Session::ClearOutput() {
  output_.Clear();
  output_.Trim(kOutputKeptBytes);
}

void Session::Trim() {
  if (waits_ != Outcome::kNeedMore || output_.size() != 0) return;
  output_.Trim(0);
  parser_.Trim(0);
  if (!executing()) transaction_.Trim();
}

uint32_t Session::TakeReplyCount() {
  const uint32_t replies = replies_;
  replies_ = 0;
  return replies;
}

uint64_t Session::TakeGroup() {
  const uint64_t group = Group();
  group_ = 0;
  return group;
}

uint64_t Session::Group() const {
  uint64_t group = group_;
  // What was read may be another's write that power loss could still take.
  if (store_->options().sync == SyncMode::kAlways && output_.size() != 0) {
    const uint64_t visible = store_->VisibleGroup();
    if (visible > group) group = visible;
  }
  return group;
}

}  // namespace crabkv::protocol
