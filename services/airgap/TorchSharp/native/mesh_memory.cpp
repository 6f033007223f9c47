// Memory for large CPU tensors. The C library maps every block of 32 MiB or more afresh and gives it back at once, so that each operator
// on a large image pays a page fault for every 4 KiB of its result; here freed blocks are kept for the next operator, on huge pages.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>

namespace {

constexpr size_t Page = size_t{2} << 20;
constexpr size_t Large = Page;

class Blocks {
 public:
  Blocks() : limit_(std::min(memory() / 8, size_t{2} << 30)) {}

  void* take(size_t size) {
    const size_t wanted = (size + Page - 1) / Page * Page;
    std::lock_guard<std::mutex> lock(mutex_);
    // A block a quarter larger than needed will do: sizes come back exactly in a network that runs again and again.
    auto found = free_.lower_bound(wanted);
    if (found != free_.end() && found->first <= wanted + wanted / 4) {
      void* block = found->second;
      cached_ -= found->first;
      used_[block] = found->first;
      free_.erase(found);
      return block;
    }
    void* block = map(wanted);
    if (!block) {
      drop(0);
      block = map(wanted);
    }
    if (block) used_[block] = wanted;
    return block;
  }

  // False where the block is not one of these.
  bool give(void* block) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = used_.find(block);
    if (found == used_.end()) return false;
    const size_t size = found->second;
    used_.erase(found);
    if (size > limit_) {
      munmap(block, size);
      return true;
    }
    drop(limit_ - size);
    free_.emplace(size, block);
    cached_ += size;
    return true;
  }

 private:
  static size_t memory() { return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

  static void* map(size_t size) {
    // One page more, cut off again at both ends, puts the block on a huge page's border.
    auto raw = mmap(nullptr, size + Page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    auto begin = reinterpret_cast<uintptr_t>(raw);
    auto block = (begin + Page - 1) / Page * Page;
    if (block > begin) munmap(raw, block - begin);
    munmap(reinterpret_cast<void*>(block + size), begin + Page - block);
    madvise(reinterpret_cast<void*>(block), size, MADV_HUGEPAGE);
    return reinterpret_cast<void*>(block);
  }

  // The smallest go first: they cost the least to make again.
  void drop(size_t most) {
    while (cached_ > most && !free_.empty()) {
      auto smallest = free_.begin();
      munmap(smallest->second, smallest->first);
      cached_ -= smallest->first;
      free_.erase(smallest);
    }
  }

  const size_t limit_;
  size_t cached_ = 0;
  std::mutex mutex_;
  std::multimap<size_t, void*> free_;
  std::unordered_map<void*, size_t> used_;
};

Blocks& blocks() {
  // Never destroyed: tensors may outlive the static objects.
  static auto* all = new Blocks();
  return *all;
}

void release(void* block) {
  if (!block) return;
  if (reinterpret_cast<uintptr_t>(block) % Page == 0 && blocks().give(block)) return;
  c10::free_cpu(block);
}

struct KeepingAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t size) const override {
    void* block = size < Large ? c10::alloc_cpu(size) : blocks().take(size);
    TORCH_CHECK(block || size == 0, "not enough memory: ", size, " bytes");
    return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }
};

KeepingAllocator allocator;

struct Install {
  Install() { c10::SetCPUAllocator(&allocator, 1); }
} install;

}  // namespace
