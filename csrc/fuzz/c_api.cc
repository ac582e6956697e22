// The C interface in any order with any arguments that its types and its header allow.
#include "firmware/c_api.h"

#include <climits>
#include <cmath>
#include <memory>
#include <string>

#include "input.h"
#include "testing/test_image.h"

using seehear::TestImage;
using seehear::fuzz::Input;
using seehear::fuzz::Promise;
using seehear::fuzz::PromiseSound;

namespace {

constexpr int kMost = 200;           // samples of a block
constexpr size_t kStream = 1 << 20;  // enough for every rate

struct Session {
  Input input;
  seehear_t* s;
  uint64_t* stream_memory;
  seehear_stream_t* stream = nullptr;
  int fails = -1;  // the graph that an invoke of our own lets fail
  std::vector<float> block = std::vector<float>(kMost);
  std::vector<int16_t> samples = std::vector<int16_t>(kMost);

  static int Invoke(void* context, int graph) {
    auto* self = static_cast<Session*>(context);
    return graph == self->fails ? 1 : seehear_run_int8(self->s, graph);
  }

  void Fill() {
    for (int i = 0; i < 8; ++i) block[static_cast<size_t>(input.Upto(kMost - 1))] = input.Wild<float>(-1, 1);
    samples[static_cast<size_t>(input.Upto(kMost - 1))] = input.Take<int16_t>();
  }
  std::string Name(const char* known) {
    if (input.Take<uint8_t>() % 2 == 0) return known;
    std::string name(static_cast<size_t>(input.Upto(40)), 'a');
    for (char& c : name) c = static_cast<char>(input.Take<uint8_t>());
    return name;
  }

  void Sound(int what) {
    Fill();
    const int hop = seehear_hop(s);
    if (what == 0) {
      seehear_process(s, block.data(), block.data());
      PromiseSound(block.data(), hop);
    } else if (what == 1) {
      seehear_process_int16(s, samples.data(), samples.data());
    } else {
      seehear_flush(s, block.data());
      PromiseSound(block.data(), seehear_latency(s));
    }
  }

  void Open() {
    // Filters of whole ratios are quick to make; the others would take all the time there is.
    static const int rates[] = {8000, 16000, 32000, 48000, 7999, 48001, INT_MIN, INT_MAX};
    const uint16_t choice = input.Take<uint16_t>();
    const int rate = choice == 4321 ? 8000 + input.Upto(40000) : rates[choice % 8];
    const size_t needed = seehear_stream_needed_memory(s, rate);
    Promise(needed <= kStream, "a megabyte is enough for every rate");
    seehear_error error;
    const size_t size = input.Take<uint8_t>() % 4 ? needed : static_cast<size_t>(input.Upto(65535));
    seehear_stream_t* opened = seehear_stream_init(s, rate, stream_memory, size, &error);
    Promise((opened == nullptr) == (error.text[0] != 0), "a refusal has a reason");
    Promise(opened != nullptr || needed == 0 || size < needed, "the memory asked for is enough");
    stream = opened;
  }

  void Flow(int what) {
    if (stream == nullptr) return Open();
    Fill();
    const int count = input.Upto(kMost);
    if (what == 0) {
      seehear_stream_process(stream, block.data(), count, block.data());
      PromiseSound(block.data(), count);
    } else if (what == 1) {
      seehear_stream_process_int16(stream, samples.data(), count, samples.data());
    } else {
      std::vector<float> tail(static_cast<size_t>(seehear_stream_latency(stream)));
      seehear_stream_flush(stream, tail.data());
      PromiseSound(tail.data(), static_cast<int>(tail.size()));
      if (what == 3) seehear_stream_reset(stream);
    }
  }

  void See() {
    float face[2 * SEEHEAR_LANDMARKS] = {};
    for (int i = 0; i < 6; ++i) face[input.Upto(2 * SEEHEAR_LANDMARKS - 1)] = input.Wild<float>(0, 200);
    const bool seen = input.Take<uint8_t>() % 4 != 0;
    seehear_see(s, seen ? face : nullptr, input.Wild<double>(seehear_now(s) - 1, seehear_now(s) + 1));
  }

  void Set() {
    const float value = input.Wild<float>(-100, 600);
    const bool fits = value >= 0 && value <= 1;
    Promise(seehear_set_strength(s, value) == fits, "strength is 0 to 1");
    seehear_set_floor_db(s, value);
    seehear_set_visual_delay_ms(s, value);
  }

  void Ask() {
    const std::string name = Name("hops");
    seehear_counter(s, name.c_str());
    seehear_counter_name(input.Take<int32_t>());
    seehear_graph_name(s, input.Take<int32_t>());
    int size = 0;
    const int8_t* tensor = seehear_tensor(s, input.Take<int8_t>(), Name("x").c_str(), &size);
    Promise((tensor == nullptr) == (size == 0), "a tensor has a size");
    Promise(seehear_now(s) >= 0 && std::strlen(seehear_face_state(s)) > 0, "there is always an answer");
    Promise(std::abs(seehear_agreement(s)) <= 1.001f, "the agreement is a correlation");
    seehear_run_int8(s, input.Take<int8_t>());
  }

  void Step() {
    const int choice = input.Take<uint8_t>() % 12;
    if (choice < 3) return Sound(choice);
    if (choice < 7) return Flow(choice - 3);
    if (choice == 7) return See();
    if (choice == 8) return Set();
    if (choice == 9) return Ask();
    if (choice == 10) return Open();
    fails = input.Upto(8) - 1;
    seehear_set_invoke(s, fails > 6 ? nullptr : Invoke, this);
    if (input.Take<uint8_t>() % 2) seehear_reset(s);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<uint32_t> blind = TestImage(false).Seal(), seeing = TestImage(true).Seal();
  static const auto memory = std::make_unique<uint64_t[]>(TestImage::kMemory / 8);
  static const auto stream_memory = std::make_unique<uint64_t[]>(kStream / 8);
  Input input(data, size);
  const std::vector<uint32_t>& image = input.Take<uint8_t>() % 4 == 0 ? blind : seeing;
  seehear_t* s = seehear_init(image.data(), 4 * image.size(), memory.get(), TestImage::kMemory, nullptr);
  Promise(s != nullptr, "the test's own model loads");
  Session session{input, s, stream_memory.get()};
  for (int steps = 0; steps < 32 && !session.input.empty(); ++steps) session.Step();
  return 0;
}
