// Commands that went up to TypeScript: those that run there, and those that somebody wants to see. They come back with
// an answer, or to run here after all, changed or not, their reply for the client or for TypeScript first.
#include "native/protocol/commands.h"
#include "native/protocol/session_multi.h"

namespace crabkv::protocol {

// EXEC goes up for any of the commands that it would run, as they do not.
bool Session::IsHooked(const Command& command) const {
  const std::vector<bool>& goes_up = settings_->goes_up;
  if (goes_up.empty()) return false;
  if (goes_up[IndexOf(command)]) return true;
  if (command.run != &protocol::Exec || multi_ == nullptr) return false;
  for (const Queued& queued : multi_->queue) {
    if (goes_up[IndexOf(*queued.command)]) return true;
  }
  return false;
}

// What there is not, but a hook wants to see and may answer: a command, or a subcommand of one that is hooked.
bool Session::IsUnknownToHook() {
  const std::vector<bool>& goes_up = settings_->goes_up;
  if (goes_up.empty()) return false;
  if (command_ == nullptr) return goes_up.back();
  return goes_up[IndexOf(*command_)] && IsUnknownSubcommand(*command_, parser_.Arguments());
}

bool Session::executing() const { return multi_ != nullptr && multi_->executing; }

const std::vector<std::string_view>& Session::Words() {
  return replaced_ != nullptr ? replaced_->arguments : parser_.Arguments();
}

const std::vector<std::string_view>& Session::arguments() {
  const bool queued = multi_ != nullptr && multi_->executing && multi_->next < multi_->queue.size();
  return queued ? multi_->queue[multi_->next].arguments : Words();
}

Session::Outcome Session::Answer(std::string_view reply) {
  if (waits_ != Outcome::kUp && waits_ != Outcome::kReplied) return waits_;
  if (multi_ != nullptr && multi_->executing) {
    Queued& queued = multi_->queue[multi_->next];
    queued.answered = true;
    queued.answer = reply;
    multi_->answered_bytes += reply.size();
    const Outcome outcome = RunQueued();
    return outcome == Outcome::kNeedMore ? RunRequests() : outcome;
  }
  // Somebody answered EXEC in its place: the transaction is over all the same.
  if (multi_ != nullptr && !captured_ && command_ != nullptr && command_->run == &protocol::Exec) EndMulti();
  captures_ = captured_ = false;
  replaced_.reset();
  reply_begin_ = output_.size();
  reply_.Bound(UINT64_MAX / 2);  // it is there already
  reply_.Raw(reply);
  EndCommand();
  return RunRequests();
}

Session::Outcome Session::Proceed(bool captures) {
  if (waits_ != Outcome::kUp) return waits_;
  if (multi_ != nullptr && multi_->executing) {
    multi_->queue[multi_->next].proceeds = true;
    const Outcome outcome = RunQueued();
    return outcome == Outcome::kNeedMore ? RunRequests() : outcome;
  }
  captures_ = captures;
  if (captures && speaks_text()) reply_.set_form(ReplyForm::kResp3);
  if (command_ == nullptr) {
    reply_begin_ = output_.size();
    RefuseUnknown();
    EndCommand();
    return RunRequests();
  }
  const Outcome outcome = RunHere(*command_);
  return outcome == Outcome::kNeedMore ? RunRequests() : outcome;
}

void Session::CloseAfterReplies() {
  closes_ = true;
  if (waits_ != Outcome::kUp && waits_ != Outcome::kReplied) waits_ = Outcome::kClose;
}

const Command* Session::FindReplacement(const std::vector<std::string_view>& words) const {
  const Command* const command = words.empty() ? nullptr : FindCommand(words[0]);
  if (command == nullptr) return nullptr;
  const bool misfit = !MisfitOf(*command, words, false).empty() || IsForbidden(*command);
  return misfit || IsNotForMulti(*command) ? nullptr : command;
}

bool Session::Replace(const std::vector<std::string_view>& words) {
  const Command* const command = FindReplacement(words);
  const bool queues = command != nullptr && multi_ != nullptr && (command->flags & kNotQueued) == 0;
  if (waits_ != Outcome::kUp || command == nullptr || queues) return false;
  auto replaced = std::make_unique<Queued>();
  replaced->Keep(words);
  replaced_ = std::move(replaced);
  command_ = command;
  return true;
}

bool Session::ReplaceQueued(size_t queued, const std::vector<std::string_view>& words) {
  const Command* const command = FindReplacement(words);
  if (queued >= QueuedCount() || command == nullptr || (command->flags & kNotQueued) != 0) return false;
  multi_->queue[queued].command = command;
  multi_->queue[queued].Keep(words);
  return true;
}

size_t Session::QueuedCount() const {
  const bool is_exec = command_ != nullptr && command_->run == &protocol::Exec;
  return waits_ == Outcome::kUp && is_exec && multi_ != nullptr ? multi_->queue.size() : 0;
}

uint64_t Session::QueuedWords() const { return QueuedCount() == 0 ? 0 : multi_->queued_words; }

const std::vector<std::string_view>& Session::QueuedArguments(size_t queued) const {
  return multi_->queue[queued].arguments;
}

}  // namespace crabkv::protocol
