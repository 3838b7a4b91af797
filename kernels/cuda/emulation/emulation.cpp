#include "kernels/cuda/emulation/emulation.h"

#include "kernels/cuda/emulation/order.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace thaw::cuda::emulation {

namespace {

// What is done between the threads of a block must not order them in ThreadSanitizer's eyes.
#define THAW_UNSEEN __attribute__((no_sanitize_thread))

constexpr std::size_t kStackBytes = std::size_t{256} << 10;

#if defined(__SANITIZE_THREAD__)
constexpr bool kOneThreadAFiber = true;  // so that ThreadSanitizer can tell the threads apart
#else
constexpr bool kOneThreadAFiber = false;
#endif

/// A stack on which threads of a block run until one waits.
struct Fiber {
  ucontext_t context = {};
  std::byte* stack = nullptr;
  unsigned thread = 0;
  bool waiting = false;
  void* sanitizer = nullptr;  // AddressSanitizer's fake stack, or ThreadSanitizer's fiber
};

/// The fibers and the block that they run. Everything happens on one thread of the host.
class Block {
 public:
  ~Block() {
    for (const auto& fiber : fibers_) munmap(fiber->stack, kStackBytes);
  }

  THAW_UNSEEN void run(const char* name, dim3 size, const std::function<void()>& body) {
    name_ = name;
    body_ = &body;
    size_ = size;
    count_ = size.x * size.y * size.z;
    next_ = 0;
    passes_ = 0;
    release(launched_);
    std::size_t used = 0;
    while (next_ < count_) {
      if (used == fibers_.size()) add_fiber();
      resume(*fibers_[used]);
      if (fibers_[used]->waiting || kOneThreadAFiber) ++used;
    }
    while (pass(used)) {
    }
    acquire(ended_);  // blocks in their order: they have one shared memory here, in turn
  }

  THAW_UNSEEN void wait() {
    Fiber& self = *current_;
    self.waiting = true;
    // Two in turn: who is behind its barrier and already waits at the next must not come before those who are not.
    int& barrier = barriers_[passes_ % 2];
    release(barrier);
    leave(self);
    acquire(barrier);
  }

  THAW_UNSEEN const dim3& thread() const { return thread_; }

 private:
  void add_fiber() {
    auto fiber = std::make_unique<Fiber>();
    void* stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) give_up("has no memory left for the stacks of its threads");
    fiber->stack = static_cast<std::byte*>(stack);
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = kStackBytes;
    makecontext(&fiber->context, &Block::run_fiber, 0);
#if defined(__SANITIZE_THREAD__)
    fiber->sanitizer = __tsan_create_fiber(0);
#endif
    fibers_.push_back(std::move(fiber));
  }

  /// Lets every waiting thread go on once all have come. False when all have ended.
  THAW_UNSEEN bool pass(std::size_t used) {
    std::size_t waiting = 0;
    for (std::size_t i = 0; i < used; ++i) waiting += fibers_[i]->waiting ? 1 : 0;
    if (waiting == 0) return false;
    if (waiting != count_) give_up("has threads that wait at a barrier which others never reach");
    ++passes_;
    for (std::size_t i = 0; i < used; ++i) resume(*fibers_[i]);
    return true;
  }

  /// Runs a waiting fiber's thread on, or the next threads of the block on an idle one.
  THAW_UNSEEN void resume(Fiber& fiber) {
    current_ = &fiber;
    if (!fiber.waiting) fiber.thread = next_thread();
    fiber.waiting = false;
    place(fiber.thread);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&host_stack_, fiber.stack, kStackBytes);
#endif
#if defined(__SANITIZE_THREAD__)
    host_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber.sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
    swapcontext(&host_context_, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(host_stack_, nullptr, nullptr);
#endif
  }

  THAW_UNSEEN unsigned next_thread() {
    const unsigned turn = next_++;
    return backwards ? count_ - 1 - turn : turn;
  }

  THAW_UNSEEN void leave(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fiber.sanitizer, host_bottom_, host_size_);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(host_, __tsan_switch_to_fiber_no_sync);
#endif
    swapcontext(&fiber.context, &host_context_);
    arrive(fiber);
  }

  THAW_UNSEEN void arrive(Fiber& fiber) {
    (void)fiber;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber.sanitizer, &host_bottom_, &host_size_);
#endif
  }

  THAW_UNSEEN static void run_fiber();

  THAW_UNSEEN void place(unsigned thread) {
    thread_ = {thread % size_.x, thread / size_.x % size_.y, thread / size_.x / size_.y};
  }

  THAW_UNSEEN static void release([[maybe_unused]] int& order) {
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&order);
#endif
  }
  THAW_UNSEEN static void acquire([[maybe_unused]] int& order) {
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&order);
#endif
  }

  [[noreturn]] void give_up(const char* what) {
    std::fprintf(stderr, "emulation: kernel '%s', block (%u,%u,%u) %s\n", name_, blockIdx.x, blockIdx.y, blockIdx.z,
                 what);
    std::abort();
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  ucontext_t host_context_ = {};
  Fiber* current_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  const char* name_ = "";
  dim3 size_ = {};
  dim3 thread_ = {};
  unsigned count_ = 0;
  unsigned next_ = 0;
  unsigned passes_ = 0;  // barriers that the block has behind it
  int launched_ = 0;     // what ThreadSanitizer orders by
  int ended_ = 0;
  int barriers_[2] = {};
  [[maybe_unused]] void* host_ = nullptr;
  [[maybe_unused]] void* host_stack_ = nullptr;
  [[maybe_unused]] const void* host_bottom_ = nullptr;
  [[maybe_unused]] std::size_t host_size_ = 0;
};

Block& block() {
  static Block one;
  return one;
}

THAW_UNSEEN void Block::run_fiber() {
  Block& self = block();
  Fiber& fiber = *self.current_;
  self.arrive(fiber);
  while (true) {
    acquire(self.launched_);
    (*self.body_)();
    release(self.ended_);
    if (!kOneThreadAFiber && self.next_ < self.count_) {
      fiber.thread = self.next_thread();
      self.place(fiber.thread);
    } else {
      self.leave(fiber);
    }
  }
}

}  // namespace

const dim3& thread_index() { return block().thread(); }

THAW_UNSEEN void run(const char* name, dim3 grid, dim3 size, const std::function<void()>& body) {
  if (launches != nullptr) launches->emplace_back(name);
  gridDim = grid;
  blockDim = size;
  const auto place = [](unsigned i, unsigned count) { return backwards ? count - 1 - i : i; };
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {place(x, grid.x), place(y, grid.y), place(z, grid.z)};
        block().run(name, size, body);
      }
    }
  }
}

}  // namespace thaw::cuda::emulation

void __syncthreads() { thaw::cuda::emulation::block().wait(); }
