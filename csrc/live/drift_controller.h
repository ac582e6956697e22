// Two sound cards have two clocks. From how full the ring between them is, this finds by how many parts in a
// million one of them is fast, and the rate that keeps the ring as full as it should be.
#pragma once

namespace seehear {

class DriftController {
 public:
  static constexpr double kMostPpm = 4000;    // 7 cents: nobody hears it in speech
  static constexpr double kMostDrift = 2000;  // of that for the clocks, for good: cards reach 1000

  void Reset() noexcept;

  // excess: how much more than wanted is in the ring, seconds; positive: the reader is too slow. Returns
  // ppm(): parts in a million by which more samples than nominal should be written. elapsed: seconds since
  // the last Update.
  double Update(double excess, double elapsed) noexcept;
  double ppm() const noexcept { return ppm_; }
  double mean() const noexcept { return mean_; }  // of the excess over the last second
  void Forget() noexcept { mean_ = 0; }           // the excess is no more, what is known of the clocks stays

 private:
  // e'' + 2 zeta w e' + w^2 e = 0 for the excess e: a clock that is off by 1000 ppm moves it by 1.9 ms at
  // most, and what jitter of single blocks is left after a second's mean is not heard.
  static constexpr double kW = 0.2;  // rad / s
  static constexpr double kZeta = 1.0;
  static constexpr double kSmoothing = 1.0;  // seconds

  double mean_ = 0;      // of the excess, seconds
  double integral_ = 0;  // of it, as ppm
  double ppm_ = 0;
};

}  // namespace seehear
