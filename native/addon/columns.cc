// The columns of arguments.h: many strings in one conversion, cut apart again by their lengths.
#include <cstring>

#include "native/addon/arguments.h"

namespace crabkv::addon {

namespace {

struct Column {
  const char* name;
  Span<uint32_t> lengths;
  uint64_t units = 0;  // sum of lengths
};

std::string NameOfItem(const char* name, size_t index) {
  return std::string("the ") + name + " at index " + std::to_string(index);
}

bool ThrowLoneSurrogate(napi_env env, const Column& column, size_t index) {
  ThrowTypeError(env, NameOfItem(column.name, index) + " must be a well-formed string, this one has a lone surrogate");
  return false;
}

// Bytes of the longest prefix of `text` that is `units` UTF-16 units long, or npos when a unit boundary falls inside a
// character: then a piece ends in one half of a pair whose other half begins the next piece.
size_t BytesOfUnits(std::string_view text, uint32_t units) {
  size_t bytes = 0;
  while (units > 0 && bytes < text.size()) {
    const auto lead = static_cast<unsigned char>(text[bytes]);
    const uint32_t width = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const uint32_t taken = width == 4 ? 2 : 1;
    if (taken > units) return std::string_view::npos;
    units -= taken;
    bytes += width;
  }
  return bytes <= text.size() && units == 0 ? bytes : std::string_view::npos;
}

// Rare: the text has U+FFFD in it, so each piece is looked at in UTF-16.
bool CheckPieces(napi_env env, napi_value data, const Column& column) {
  std::u16string text(column.units, u'\0');
  size_t length = 0;
  if (napi_get_value_string_utf16(env, data, text.data(), text.size() + 1, &length) != napi_ok) return false;
  size_t begin = 0;
  for (size_t i = 0; i < column.lengths.length; i++) {
    const std::u16string_view piece(text.data() + begin, column.lengths.data[i]);
    if (HasLoneSurrogate(piece)) return ThrowLoneSurrogate(env, column, i);
    begin += piece.size();
  }
  return true;
}

bool CutText(napi_env env, napi_value data, const Column& column, std::string_view text,
             std::vector<std::string_view>* out) {
  const bool ascii = text.size() == column.units;  // every other character has more bytes than units
  if (!ascii && text.find("\xEF\xBF\xBD") != std::string_view::npos && !CheckPieces(env, data, column)) return false;
  size_t begin = 0;
  for (size_t i = 0; i < column.lengths.length; i++) {
    const uint32_t units = column.lengths.data[i];
    const size_t bytes = ascii ? units : BytesOfUnits(text.substr(begin), units);
    if (bytes == std::string_view::npos) return ThrowLoneSurrogate(env, column, i);
    (*out)[i] = text.substr(begin, bytes);
    begin += bytes;
  }
  return true;
}

bool CutBytes(const Column& column, const Span<uint8_t>& bytes, std::vector<std::string_view>* out) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data), bytes.length);
  size_t begin = 0;
  for (size_t i = 0; i < column.lengths.length; i++) {
    (*out)[i] = all.substr(begin, column.lengths.data[i]);
    begin += column.lengths.data[i];
  }
  return true;
}

}  // namespace

bool ReadColumn(Environment& environment, napi_value data, napi_value lengths, const char* name, Scratch* scratch,
                std::vector<std::string_view>* out) {
  napi_env env = environment.env();
  Column column{name, {}, 0};
  if (!ReadUint32Array(env, lengths, "lengths", &column.lengths)) return false;
  for (size_t i = 0; i < column.lengths.length; i++) column.units += column.lengths.data[i];
  out->resize(column.lengths.length);

  size_t bytes = 0;
  size_t units = 0;
  if (napi_get_value_string_utf16(env, data, nullptr, 0, &units) != napi_ok) {
    Span<uint8_t> array;
    if (!ReadUint8Array(env, data, name, &array)) return false;
    if (array.length != column.units) {
      ThrowRangeError(env, std::string(name) + ": the lengths do not add up to the bytes");
      return false;
    }
    return CutBytes(column, array, out);
  }
  if (units != column.units) {
    ThrowRangeError(env, std::string(name) + ": the lengths do not add up to the string");
    return false;
  }
  scratch->Settle();
  // Three bytes a unit are enough; asking for the exact size first would convert twice.
  if (units * 3 + 4 > scratch->capacity()) {
    if (napi_get_value_string_utf8(env, data, nullptr, 0, &bytes) != napi_ok) return false;
    scratch->Reserve(bytes + 1);
  }
  if (napi_get_value_string_utf8(env, data, scratch->data(), scratch->capacity(), &bytes) != napi_ok) return false;
  return CutText(env, data, column, std::string_view(scratch->data(), bytes), out);
}

bool CheckKeyBytes(Environment& environment, size_t index, std::string_view key, Bound bound) {
  return key.size() <= bound.bytes_max || ThrowTooLarge(environment, NameOfItem("key", index), key.size(), bound);
}

bool ReadKeyColumn(Environment& environment, napi_value data, napi_value lengths, Bound bound, Scratch* scratch,
                   std::vector<std::string_view>* keys) {
  if (!ReadColumn(environment, data, lengths, "key", scratch, keys)) return false;
  for (size_t i = 0; i < keys->size(); i++) {
    if (!CheckKeyBytes(environment, i, (*keys)[i], bound)) return false;
  }
  return true;
}

}  // namespace crabkv::addon
