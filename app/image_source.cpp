#include "app/image_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "data/parallel.h"
#include "kernels/digest.h"

namespace thaw {

namespace {

/// Hands the loader's batches on without copying pixels: the two batches exchange their buffers.
class LoaderStream final : public BatchStream {
 public:
  LoaderStream(ImageStore& store, std::vector<int> order, const LoaderOptions& options)
      : loader_(store, std::move(order), options) {}

  bool next(HostBatch& batch) override {
    batch_.pixels.swap(batch.pixels);
    if (!loader_.next(batch_)) return false;
    batch.n = batch_.n;
    batch.pixels.swap(batch_.pixels);
    batch.labels = batch_.labels;
    batch.images = batch_.samples;
    return true;
  }

 private:
  BatchLoader loader_;
  Batch batch_;
};

/// The same batches, decoded where they are missing on the device and resized there.
class DeviceStream final : public BatchStream {
 public:
  DeviceStream(DevicePhotos& photos, ImageStore& store, std::vector<int> order, const LoaderOptions& options)
      : photos_(photos), store_(store), order_(std::move(order)), options_(options) {}

  bool next(HostBatch& batch) override {
    if (done_ == order_.size()) return false;
    const std::size_t n = std::min(static_cast<std::size_t>(options_.batch), order_.size() - done_);
    const auto samples = std::span<const int>(order_).subspan(done_, n);
    batch.n = static_cast<int>(n);
    batch.images.assign(samples.begin(), samples.end());
    batch.labels.resize(n);
    std::transform(samples.begin(), samples.end(), batch.labels.begin(),
                   [this](int sample) { return store_.dataset().samples()[static_cast<std::size_t>(sample)].label; });
    batch.on_device = photos_.pixels(store_, samples, options_);
    done_ += n;
    return true;
  }

 private:
  DevicePhotos& photos_;
  ImageStore& store_;
  const std::vector<int> order_;
  const LoaderOptions options_;
  std::size_t done_ = 0;
};

}  // namespace

DatasetImages::DatasetImages(Dataset dataset, const ImageOptions& options, std::shared_ptr<ImageStore> decoded)
    : dataset_(std::move(dataset)),
      options_(options),
      store_(decoded != nullptr ? std::move(decoded) : std::make_shared<ImageStore>(dataset_, 0)) {}

void DatasetImages::keep_decoded(std::size_t bytes) { store_ = std::make_shared<ImageStore>(dataset_, bytes); }

bool DatasetImages::check(const std::vector<int>& images, const std::function<bool(std::int64_t)>& go_on) {
  constexpr std::size_t piece = 256;
  for (std::size_t begin = 0; begin < images.size(); begin += piece) {
    const std::size_t end = std::min(begin + piece, images.size());
    const std::vector<int> some(images.begin() + static_cast<std::ptrdiff_t>(begin),
                                images.begin() + static_cast<std::ptrdiff_t>(end));
    store_->preload(some, options_.threads);
    if (!go_on(static_cast<std::int64_t>(end))) return false;
  }
  return true;
}

std::unique_ptr<BatchStream> DatasetImages::stream(std::vector<int> images, int batch, int epoch, bool augment) {
  // Where the processor computes, decoding ahead would only take its cores from it.
  const LoaderOptions options{.batch = batch,
                              .size = options_.size,
                              .threads = options_.threads,
                              .augment = augment ? options_.augment : Augment{},
                              .epoch = epoch,
                              .prefetch = 0};
  if (options_.on_device != nullptr) {
    return std::make_unique<DeviceStream>(*options_.on_device, *store_, std::move(images), options);
  }
  return std::make_unique<LoaderStream>(*store_, std::move(images), options);
}

std::int32_t DatasetImages::label(int image) const { return dataset_.samples()[static_cast<std::size_t>(image)].label; }

std::string DatasetImages::digest() const {
  Sha256 digest;
  digest.add(fmt::format("{} bilinear half-pixel size={}", dataset_.content_hash(), options_.size));
  return digest.hex();
}

std::vector<int> DatasetImages::shuffled(const std::vector<int>& images, std::uint64_t seed, int epoch) const {
  return thaw::shuffled(images, seed, epoch);
}

void read_photos(std::span<const std::filesystem::path> files, int size, int threads, HostBatch& batch) {
  batch.n = static_cast<int>(files.size());
  const std::size_t pixels = static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3;
  batch.pixels.resize(files.size() * pixels);
  batch.images.resize(files.size());
  std::iota(batch.images.begin(), batch.images.end(), 0);
  parallel_for(batch.n, threads, [&](int i) {
    const auto index = static_cast<std::size_t>(i);
    resize_bilinear(load_image(files[index]), size, size, batch.pixels.data() + index * pixels);
  });
}

}  // namespace thaw
