// A name of the configuration: a copy, or a view of one that lies in flash.
#pragma once

#include <cstring>

#include "base/vector.h"

namespace seehear {

class Text {
 public:
  Text() = default;
  const char* c_str() const { return chars_.empty() ? "" : chars_.data(); }
  bool empty() const { return *c_str() == '\0'; }
  bool operator==(const char* other) const { return std::strcmp(c_str(), other) == 0; }
  bool operator==(const Text& other) const { return *this == other.c_str(); }

  // text: ends with 0 and outlives the view and all its copies.
  static Text View(const char* text) {
    Text view;
    view.chars_ = Vector<char>::View(text, static_cast<int>(std::strlen(text)) + 1);
    return view;
  }
  Status CopyFrom(const Text& other) { return chars_.CopyFrom(other.chars_); }

#if !defined(SEEHEAR_NO_HEAP)
  Text(const char* text) : chars_(Vector<char>::View(text, static_cast<int>(std::strlen(text)) + 1)) {
    Own();
  }
  template <typename String, typename = decltype(std::declval<const String&>().c_str())>
  Text(const String& text) : Text(text.c_str()) {}
#endif

 private:
#if !defined(SEEHEAR_NO_HEAP)
  void Own() {
    Vector<char> own;
    own.Allocate(chars_.size());
    std::memcpy(own.data(), chars_.data(), chars_.size());
    chars_.swap(own);
  }
#endif

  Vector<char> chars_;
};

}  // namespace seehear
