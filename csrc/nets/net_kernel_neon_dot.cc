#include "nets/net_kernel_neon.h"

#if defined(SEEHEAR_NEON_DOT)

#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace seehear {
namespace {

#if defined(__ARM_FEATURE_DOTPROD)
#define SEEHEAR_DOT
#else
#define SEEHEAR_DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif

bool RunsHere() noexcept {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return true;  // the compiler was told so
#endif
}

struct Sum {
  SEEHEAR_DOT static int32x4_t Add8(int32x4_t sum, int8x8_t w, int8x8_t x) noexcept {
    return vcombine_s32(vdot_s32(vget_low_s32(sum), w, x), vget_high_s32(sum));
  }
  SEEHEAR_DOT static int32x4_t Add16(int32x4_t sum, int8x16_t w, int8x16_t x) noexcept {
    return vdotq_s32(sum, w, x);
  }
};

SEEHEAR_DOT void Layer(const Int8Layer& layer, const int8_t* x, int8_t* y) noexcept {
  NeonLayer<Sum>(layer, x, y);
}

}  // namespace

const NetKernel kNeonDotKernel = {"neon-dot", RunsHere, Layer, ScalarQuantize, ScalarDequantize, ScalarGru};

}  // namespace seehear

#endif
