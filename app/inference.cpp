#include "app/inference.h"

#include <algorithm>
#include <span>

#include "app/image_source.h"
#include "app/progress.h"

namespace thaw {

void for_each_photo_batch(const Session& session, const std::vector<std::filesystem::path>& files, int batch,
                          int threads, Console& console,
                          const std::function<void(const Tensor& pixels, std::size_t first)>& use) {
  const int size = session.network->size;
  ProgressLine progress(console);
  progress.begin("photos", static_cast<std::int64_t>(files.size()));
  HostBatch host;
  for (std::size_t first = 0; first < files.size(); first += static_cast<std::size_t>(batch)) {
    const std::size_t count = std::min(static_cast<std::size_t>(batch), files.size() - first);
    read_photos(std::span(files).subspan(first, count), size, threads, host);
    use(Tensor::from_host(session.device.backend, {host.n, size, size, 3}, session.context().master(),
                          std::span<const float>(host.pixels)),
        first);
    progress.update(static_cast<std::int64_t>(first + count));
  }
}

}  // namespace thaw
