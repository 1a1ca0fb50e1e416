// Keyspace notifications: what commands say has happened to keys. It is kept until the command, or the EXEC that it is
// part of, is committed, and then until whoever feeds the session takes it. What is counted of look-ups goes along.
#include "native/core/coding.h"
#include "native/protocol/command.h"
#include "native/protocol/session.h"

namespace crabkv::protocol {

bool Call::Notifies(NotificationClass what) const { return (session.settings().notification_classes & what) != 0; }

void Call::Notify(NotificationClass what, std::string_view event, std::string_view key) const {
  if (Notifies(what)) session.Notify(event, key);
}

void Call::Put(std::string_view event, std::string_view key, std::string_view value, uint64_t expires_at_ms) {
  if (Notifies(kNotifyNew)) {
    KeyView old;
    if (keys.Look(key, &old) && !old.found) Notify(kNotifyNew, "new", key);
  }
  keys.Put(key, value, expires_at_ms);
  Notify(kNotifyString, event, key);
}

void Call::Delete(std::string_view key) {
  keys.Delete(key);
  Notify(kNotifyGeneric, "del", key);
}

void Call::LookedUp(std::string_view key, bool found) const {
  session.CountLookup(found);
  if (!found) Notify(kNotifyMiss, "keymiss", key);
}

void Session::Notify(std::string_view event, std::string_view key) {
  char lengths[1 + sizeof(uint32_t)];
  lengths[0] = static_cast<char>(event.size());
  PutU32(lengths + 1, static_cast<uint32_t>(key.size()));
  pending_notifications_.append(lengths, sizeof(lengths));
  pending_notifications_.append(event);
  pending_notifications_.append(key);
}

// What a command has noted counts only when it is committed: until then it may run again.
void Session::ForgetNoted() {
  pending_notifications_.clear();
  pending_hits_ = pending_misses_ = 0;
}

void Session::CommitNoted() {
  settings_->counts->keys_found += std::exchange(pending_hits_, 0);
  settings_->counts->keys_missed += std::exchange(pending_misses_, 0);
  if (pending_notifications_.empty()) return;
  notifications_ += pending_notifications_;
  pending_notifications_.clear();
}

}  // namespace crabkv::protocol
