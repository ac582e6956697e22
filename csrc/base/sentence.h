// A short text of fixed size, put together without a heap and without printf.
#pragma once

#include <cstdarg>

namespace seehear {

class Sentence {
 public:
  static constexpr int kCapacity = 192;  // what does not fit is cut off

  const char* c_str() const { return text_; }
  bool empty() const { return length_ == 0; }

  // %s, %d and %g (six digits), as printf has them.
  void Format(const char* format, va_list args) noexcept;

  void Append(char c) noexcept;
  void Append(const char* text) noexcept;
  void Append(int value) noexcept;
  void Append(double value) noexcept;  // as %g

 private:
  char text_[kCapacity] = {};
  int length_ = 0;
};

}  // namespace seehear
