#include "base/sentence.h"

namespace seehear {

void Sentence::Append(char c) noexcept {
  if (length_ + 1 < kCapacity) text_[length_++] = c;
}

void Sentence::Append(const char* text) noexcept {
  for (; *text != '\0'; ++text) Append(*text);
}

void Sentence::Append(int value) noexcept {
  unsigned rest = value < 0 ? 0u - static_cast<unsigned>(value) : static_cast<unsigned>(value);
  char digits[12];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (value < 0) Append('-');
  while (count > 0) Append(digits[--count]);
}

void Sentence::Append(double value) noexcept {
  if (value != value) return Append("nan");
  if (value < 0) {
    Append('-');
    value = -value;
  }
  if (value == 0) return Append('0');
  if (value > 1e300) return Append("inf");
  int exponent = 0;
  for (; value >= 9.999995; ++exponent) value /= 10;
  for (; value < 0.9999995; --exponent) value *= 10;
  // Six digits, the last ones cut while they are 0; the point goes after digit number `point`.
  int digits = static_cast<int>(value * 1e5 + 0.5), kept = 6;
  const bool plain = exponent >= -4 && exponent < 6;
  const int point = plain && exponent > 0 ? exponent + 1 : 1;
  while (kept > point && digits % 10 == 0) {
    digits /= 10;
    --kept;
  }
  if (plain && exponent < 0) {
    Append("0.");
    for (int i = exponent + 1; i < 0; ++i) Append('0');
    while (digits % 10 == 0) digits /= 10;
    return Append(digits);
  }
  int unit = 1;
  for (int i = 1; i < kept; ++i) unit *= 10;
  for (int i = 0; i < kept; ++i, unit /= 10) {
    if (i == point) Append('.');
    Append(static_cast<char>('0' + digits / unit % 10));
  }
  if (plain) return;
  Append(exponent < 0 ? "e-" : "e+");
  if (exponent < 0) exponent = -exponent;
  if (exponent < 10) Append('0');
  Append(exponent);
}

void Sentence::Format(const char* format, va_list args) noexcept {
  for (; *format != '\0'; ++format) {
    if (*format != '%') {
      Append(*format);
      continue;
    }
    switch (*++format) {
      case 's':
        Append(va_arg(args, const char*));
        break;
      case 'd':
        Append(va_arg(args, int));
        break;
      case 'g':
        Append(va_arg(args, double));
        break;
      default:
        Append(*format);
        if (*format == '\0') return;
    }
  }
}

}  // namespace seehear
