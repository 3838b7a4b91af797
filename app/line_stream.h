#pragma once

#include <mutex>
#include <ostream>
#include <sstream>
#include <string>

namespace thaw {

/// A stream for one of several threads that print to the same place: it hands whole lines on, one at a time.
class LineStream : public std::ostream {
 public:
  LineStream(std::ostream& target, std::mutex& mutex) : std::ostream(nullptr), buffer_(target, mutex) {
    rdbuf(&buffer_);
  }
  ~LineStream() override { buffer_.hand_on(true); }

 private:
  class Buffer : public std::stringbuf {
   public:
    Buffer(std::ostream& target, std::mutex& mutex) : std::stringbuf(std::ios::out), target_(target), mutex_(mutex) {}
    void hand_on(bool all) {
      const std::string text = str();
      const std::size_t end = all ? text.size() : text.rfind('\n') + 1;  // npos + 1 is 0
      if (end == 0) return;
      const std::lock_guard lock(mutex_);
      target_ << text.substr(0, end) << std::flush;
      str(text.substr(end));
      pubseekoff(0, std::ios::end, std::ios::out);
    }

   protected:
    int sync() override {
      hand_on(false);
      return 0;
    }

   private:
    std::ostream& target_;
    std::mutex& mutex_;
  };

  Buffer buffer_;
};

}  // namespace thaw
