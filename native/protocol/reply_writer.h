// Replies as bytes, in the form that the connection speaks. A command says what it answers; nobody else knows the
// forms. Appends to a buffer that it does not own. One thread at a time.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/core/read_buffer.h"

namespace crabkv::protocol {

enum class ReplyForm : uint8_t {
  kResp2 = 0,
  kResp3 = 1,
  kText = 2,      // VALUE …, NOT_FOUND
  kBareText = 3,  // the value, nil
};

inline bool IsText(ReplyForm form) { return form == ReplyForm::kText || form == ReplyForm::kBareText; }

// Before the text of a verbatim string of RESP3.
inline constexpr std::string_view kTextMark = "txt:";

class ReplyWriter {
 public:
  ReplyWriter(ReadBuffer* out, ReplyForm form) : out_(out), form_(form) {}

  ReplyForm form() const { return form_; }
  void set_form(ReplyForm form) { form_ = form; }
  bool is_text() const { return IsText(form_); }

  void Ok() { Simple("OK"); }
  void Simple(std::string_view text);
  // With its code ("ERR …"). Line ends in it become spaces.
  void Error(std::string_view message);
  void Integer(int64_t number);
  void Bulk(std::string_view bytes);
  void Null();
  void NullArray();
  void Array(uint64_t count);
  // What comes behind this place in the buffer is the value of a bulk reply.
  uint64_t BeginBulk() const { return out_->size(); }
  void EndBulk(uint64_t begin);
  // Lines for people; in RESP one bulk with all of them, in RESP3 a verbatim string.
  void Lines(std::string_view text);

  // From here on so many bytes fit; what would not is left out, and the reply cannot be sent.
  void Bound(uint64_t bytes) {
    size_max_ = out_->size() + bytes;
    overflowed_ = false;
  }
  bool overflowed() const { return overflowed_; }

  uint64_t size() const { return out_->size(); }
  void Truncate(uint64_t size) { out_->Shrink(size); }
  ReadBuffer* out() { return out_; }
  void Raw(std::string_view bytes);

 private:
  void Header(char type, int64_t number);
  void TextValue(std::string_view bytes);
  bool Fits(uint64_t bytes);

  ReadBuffer* const out_;
  ReplyForm form_;
  uint64_t size_max_ = UINT64_MAX;
  bool overflowed_ = false;
};

}  // namespace crabkv::protocol
