// Sound of every kind in blocks of every size at every rate: as many samples out as in, finite, and the same
// however it is cut.
#include <algorithm>
#include <memory>

#include "firmware/c_api.h"
#include "input.h"
#include "testing/test_image.h"

using seehear::TestImage;
using seehear::fuzz::Input;
using seehear::fuzz::Promise;
using seehear::fuzz::PromiseSound;

namespace {

// A model and a stream around it, each in memory of its own.
struct Chain {
  std::unique_ptr<uint64_t[]> memory = std::make_unique<uint64_t[]>(TestImage::kMemory / 8), stream_memory;
  seehear_stream_t* stream = nullptr;

  explicit Chain(int rate) {
    static const std::vector<uint32_t> image = TestImage(false).Seal();
    seehear_t* s = seehear_init(image.data(), 4 * image.size(), memory.get(), TestImage::kMemory, nullptr);
    const size_t size = seehear_stream_needed_memory(s, rate);
    Promise((size > 0) == (rate >= 8000 && rate <= 48000), "rates are 8 to 48 kHz");
    if (size == 0) return;
    stream_memory = std::make_unique<uint64_t[]>(size / 8);
    stream = seehear_stream_init(s, rate, stream_memory.get(), size, nullptr);
    Promise(stream != nullptr, "the memory asked for is enough");
  }
};

// Making filters takes long: the usual rates are kept, one of some thousand inputs makes a chain of its own.
seehear_stream_t* StreamOf(Input* input) {
  static const int rates[] = {8000, 11025, 16000, 22050, 44100, 48000};
  static std::unique_ptr<Chain> usual[6], own;
  const uint16_t choice = input->Take<uint16_t>();
  const int rate = 7900 + input->Upto(40200);
  std::unique_ptr<Chain>& chain = choice == 4321 ? own : usual[choice % 6];
  if (choice == 4321 || chain == nullptr) {
    chain = std::make_unique<Chain>(choice == 4321 ? rate : rates[choice % 6]);
  }
  return chain->stream;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  seehear_stream_t* stream = StreamOf(&input);
  if (stream == nullptr) return 0;
  constexpr int kCount = 100;
  float in[kCount] = {}, whole[kCount], cut[kCount];
  for (int i = 0, n = input.Upto(20); i < n; ++i) in[input.Upto(kCount - 1)] = input.Wild<float>(-1, 1);
  seehear_stream_reset(stream);
  seehear_stream_process(stream, in, kCount, whole);
  PromiseSound(whole, kCount);
  seehear_stream_reset(stream);
  std::copy(in, in + kCount, cut);
  for (int at = 0; at < kCount;) {
    const int block = std::min(kCount - at, 1 + input.Upto(200));
    seehear_stream_process(stream, cut + at, block, cut + at);
    at += block;
  }
  Promise(std::equal(cut, cut + kCount, whole), "cuts change no bit");
  std::vector<float> tail(static_cast<size_t>(seehear_stream_latency(stream)));
  seehear_stream_flush(stream, tail.data());
  PromiseSound(tail.data(), static_cast<int>(tail.size()));
  return 0;
}
