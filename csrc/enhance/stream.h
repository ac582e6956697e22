// Blocks at any rate from 8 to 48 kHz, float or int16, around a HopScheduler:
// conversion -> resampler -> framing -> scheduler -> resampler -> conversion. As many samples out as in, of
// the joint track and, with several faces, of one for each.
#pragma once

#include <cstdint>

#include "base/vector.h"
#include "enhance/hop_scheduler.h"
#include "signal/block_adapter.h"
#include "signal/resampler.h"

namespace seehear {

class Stream {
 public:
  // The scheduler must outlive the stream, which is its only caller from now on. block: 0 for blocks of any
  // size, else every block will hold a multiple of it, itself a multiple of a hop; the output then comes
  // hop - 1 samples earlier.
  Status Prepare(HopScheduler* scheduler, int rate, int block = 0);
  // Bytes that Prepare takes for blocks of any size; 0 for a rate that it refuses.
  static size_t Memory(const HopScheduler& scheduler, int rate);
  void Reset() noexcept;  // the scheduler too

  int rate() const { return rate_; }
  int block() const { return block_; }
  int latency() const { return latency_; }  // samples at rate(), exact for the whole chain

  // In place is allowed. At strength 0 the output is the input itself, latency() samples later: whatever the
  // rates, and to the bit.
  // rows: null, or where count samples go for each face of the scheduler.
  void Process(const float* in, int count, float* out, float* const* rows = nullptr) noexcept;
  void Process(const int16_t* in, int count, int16_t* out, int16_t* const* rows = nullptr) noexcept;
  // What is still inside: latency() samples.
  void Flush(float* out, float* const* rows = nullptr) noexcept;
  void Flush(int16_t* out, int16_t* const* rows = nullptr) noexcept;

 private:
  Status PrepareBlock(int block);
  static void ProcessHop(void* stream, const float* in, float* out);
  int Chunk() const { return chunk_.size(); }
  void Run(int count) noexcept;       // chunk_ -> tracks_
  void RunHop() noexcept;             // chunk_, a whole hop -> tracks_
  void Step(int sample) noexcept;     // chunk_ -> tracks_, one sample
  int RunSilence(int most) noexcept;  // how many samples, at most `most`, lie in tracks_ then
  float* Track(int track) { return tracks_.data() + track * Chunk(); }
  template <typename Sample>
  void Give(int count, int at, Sample* out, Sample* const* rows) noexcept;  // tracks_ -> caller's buffers

  HopScheduler* scheduler_ = nullptr;
  int rate_ = 16000;
  int block_ = 0;
  int latency_ = 0;
  bool resamples_ = false;
  Resampler down_;        // caller's rate -> scheduler's
  Vector<Resampler> up_;  // and back, one for each track
  BlockAdapter adapter_;
  int count_ = 1;         // tracks: the joint one, and with several faces one for each
  Vector<float> chunk_;   // samples converted at a time; with a block, those of one hop
  Vector<float> tracks_;  // as many of every track
  Vector<float> hop_;     // at the scheduler's rate: one hop in, one of every track out

  Vector<float> dry_;  // room for a ring of the last latency() samples
  int dry_at_ = 0;
  int fade_ = 0;      // samples to cross from wet to dry
  int dryness_ = -1;  // 0 (wet) to fade_ (dry); -1 before the first sample
};

}  // namespace seehear
