#include "nets/net_kernel_table.h"

#if defined(__x86_64__) && defined(__GNUC__)

#if !defined(__clang__)
// GCC 12 takes its own _mm512_undefined_epi32 for a mistake.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "nets/net_loops.h"

namespace seehear {
namespace {

#define SEEHEAR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define SEEHEAR_AVX512_INLINE \
  inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

constexpr int kRows = 16;

bool RunsHere() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

// Adds neighbours of a and b, in quarters: a0 + a2, b0 + b2, a1 + a3, b1 + b3.
SEEHEAR_AVX512_INLINE __m512i AddPairs(__m512i a, __m512i b) noexcept {
  return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

// The sums of four rows in each quarter.
SEEHEAR_AVX512_INLINE __m512i AddFours(const __m512i* rows) noexcept {
  const __m512i ab = AddPairs(rows[0], rows[1]), cd = AddPairs(rows[2], rows[3]);
  return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

SEEHEAR_AVX512_INLINE __m512i AddQuarters(__m512i a, __m512i b) noexcept {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

// sums[r]: all lanes of rows[r] added up, in the order of the rows.
SEEHEAR_AVX512_INLINE __m512i Sums(const __m512i rows[kRows]) noexcept {
  return AddQuarters(AddQuarters(AddFours(rows), AddFours(rows + 4)),
                     AddQuarters(AddFours(rows + 8), AddFours(rows + 12)));
}

// Eight results.
SEEHEAR_AVX512_INLINE __m128i Scale(__m256i sum, __m256i bias, __m256i multiplier, __m256i shift,
                                    int zero_point) noexcept {
  const __m512i m = _mm512_cvtepi32_epi64(multiplier), s = _mm512_cvtepi32_epi64(shift);
  const __m512i one = _mm512_set1_epi64(1);
  __m512i y = _mm512_add_epi64(_mm512_mul_epi32(_mm512_cvtepi32_epi64(sum), m),
                               _mm512_mul_epi32(_mm512_cvtepi32_epi64(bias), m));
  y = _mm512_srav_epi64(_mm512_add_epi64(y, _mm512_sllv_epi64(one, _mm512_sub_epi64(s, one))), s);
  return _mm512_cvtsepi64_epi8(_mm512_add_epi64(y, _mm512_set1_epi64(zero_point)));
}

SEEHEAR_AVX512 void Layer(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept {
  const int inputs = layer.inputs, outputs = layer.outputs, whole = inputs / 64 * 64;
  const __mmask64 tail = (uint64_t{1} << (inputs - whole)) - 1;
  // The instruction takes unsigned times signed: 128 is added to each weight (in its bits: the sign flips)
  // and 128 times the sum of x taken off the result. No sum of it saturates.
  const __m512i flip = _mm512_set1_epi8(-128), last = _mm512_maskz_loadu_epi8(tail, x + whole);
  __m512i extra = _mm512_dpbusd_epi32(_mm512_setzero_si512(), flip, last);
  for (int i = 0; i < whole; i += 64) extra = _mm512_dpbusd_epi32(extra, flip, _mm512_loadu_si512(x + i));
  const __m512i start = _mm512_sub_epi32(_mm512_setzero_si512(), extra);

  for (int o = 0; o < outputs; o += kRows) {
    const int count = outputs - o < kRows ? outputs - o : kRows;
    const int8_t* rows[kRows];  // beyond the last row: the last once more
    for (int r = 0; r < kRows; ++r) rows[r] = layer.weights + (r < count ? o + r : outputs - 1) * inputs;
    __m512i sums[kRows];
    for (__m512i& sum : sums) sum = start;
    for (int i = 0; i < whole; i += 64) {
      const __m512i v = _mm512_loadu_si512(x + i);
      for (int r = 0; r < kRows; ++r) {
        sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(_mm512_loadu_si512(rows[r] + i), flip), v);
      }
    }
    if (tail != 0) {
      for (int r = 0; r < kRows; ++r) {
        const __m512i w = _mm512_maskz_loadu_epi8(tail, rows[r] + whole);
        sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_xor_si512(w, flip), last);
      }
    }
    const __m512i sum = Sums(sums);

    const auto some = static_cast<__mmask16>((1u << count) - 1);
    const bool one = layer.scales == 1;
    const __m512i bias = _mm512_maskz_loadu_epi32(some, layer.bias + o);
    const __m512i multiplier =
        one ? _mm512_set1_epi32(layer.multiplier[0]) : _mm512_maskz_loadu_epi32(some, layer.multiplier + o);
    const __m512i shift =
        one ? _mm512_set1_epi32(layer.shift[0]) : _mm512_maskz_loadu_epi32(some, layer.shift + o);
    const __m128i low =
        Scale(_mm512_castsi512_si256(sum), _mm512_castsi512_si256(bias), _mm512_castsi512_si256(multiplier),
              _mm512_castsi512_si256(shift), layer.zero_point);
    const __m128i high = Scale(_mm512_extracti64x4_epi64(sum, 1), _mm512_extracti64x4_epi64(bias, 1),
                               _mm512_extracti64x4_epi64(multiplier, 1), _mm512_extracti64x4_epi64(shift, 1),
                               layer.zero_point);
    _mm_mask_storeu_epi8(y + o, some, _mm_unpacklo_epi64(low, high));
  }
}

SEEHEAR_AVX512 void Quantize(const float* values, int count, float scale, int zero_point,
                             int8_t* q) noexcept {
  QuantizeLoop(values, count, scale, zero_point, q);
}

SEEHEAR_AVX512 void Dequantize(const int8_t* q, int count, float scale, int zero_point,
                               float* values) noexcept {
  DequantizeLoop(q, count, scale, zero_point, values);
}

SEEHEAR_AVX512 void Gru(const float* gx, const float* gh, const float* h, int units, float* next) noexcept {
  GruLoop(gx, gh, h, units, next);
}

}  // namespace

const NetKernel kAvx512VnniKernel = {"avx512-vnni", RunsHere, Layer, Quantize, Dequantize, Gru};

}  // namespace seehear

#endif
