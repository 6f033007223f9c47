// Networks draw their first weights from the library's one shared generator, which tests seed.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
