extension ByteReader {
    /// Runs `body` over the bytes and hands its typed error through.
    static func decode<Value>(
        _ bytes: [UInt8], in range: Range<Int>? = nil,
        _ body: (inout ByteReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        let result = bytes.withUnsafeBytes { pointer -> Result<Value, WireError> in
            var reader = ByteReader(pointer, in: range ?? 0..<pointer.count)
            do throws(WireError) { return .success(try body(&reader)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
