#pragma once

#include <cstddef>
#include <exception>
#include <mutex>

namespace thaw {

/// The OpenMP threads of a CPU backend. Work whose order of additions could depend on how it is divided is cut into
/// `shards()` pieces, a number that belongs to the machine and not to the thread count, and each piece is computed by
/// one thread: results then have the same bits for every thread count.
class Threads {
 public:
  /// `threads` 0 means every processor that this process may use.
  explicit Threads(int threads);

  [[nodiscard]] int count() const { return count_; }
  /// Configured processors of the machine, at least 2.
  [[nodiscard]] std::size_t shards() const { return shards_; }

  /// Makes the calling thread's OpenMP teams `count()` wide and treat denormal numbers as zero. OpenMP keeps its
  /// settings per calling thread, so every backend call begins with this.
  void enter() const;

  /// body(i) for i in [0, count), each on one thread; oneDNN primitives inside run on that thread alone. The first
  /// exception is thrown again here, after all pieces have ended.
  template <class Body>
  void for_each(std::size_t count, const Body& body) const;

 private:
  int count_;
  std::size_t shards_;
};

/// While it lives, OpenMP regions (and oneDNN primitives made) on the calling thread have one thread.
class SingleThreadScope {
 public:
  SingleThreadScope();
  ~SingleThreadScope();
  SingleThreadScope(const SingleThreadScope&) = delete;
  SingleThreadScope& operator=(const SingleThreadScope&) = delete;

 private:
  int before_;
};

template <class Body>
void Threads::for_each(std::size_t count, const Body& body) const {
  if (count == 0) return;
  const int team =
      static_cast<int>(count < static_cast<std::size_t>(count_) ? count : static_cast<std::size_t>(count_));
  std::exception_ptr error;
  std::mutex error_lock;
#pragma omp parallel num_threads(team)
  {
    // A team of one is no parallel region for oneDNN, which would then use every thread.
    const SingleThreadScope single;
#pragma omp for schedule(static, 1)
    for (std::size_t i = 0; i < count; ++i) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(error_lock);
        if (!error) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace thaw
