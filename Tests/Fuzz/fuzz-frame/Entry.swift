import FuzzChecks

/// What libFuzzer calls with each input (llvm.org/docs/LibFuzzer.html).
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    FuzzChecks.frame(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
