import HTTPTypes
import Hummingbird
import NIOCore
import TextFormats

/// A request's body, of the type and size that a route takes.
package enum JSONBody {
    /// Reads one JSON document.
    ///
    /// - Throws: `Problem`: `unsupported_media_type`, `too_large` naming the limit,
    ///   `malformed_json`, `invalid_field`.
    package static func read<Value>(
        _ request: Request, bytesMax: Int, _ read: (inout JSONReader) throws(JSONError) -> Value
    ) async throws(Problem) -> Value {
        try checkType(request)
        let buffer = try await collect(request, bytesMax)
        return try decode(buffer, read)
    }

    private static func checkType(_ request: Request) throws(Problem) {
        guard let type = request.headers[.contentType] else {
            throw Problem(
                .unsupportedMediaType, "the request has no Content-Type; send application/json")
        }
        let essence = type.prefix { $0 != ";" }.trimmingSuffix { $0 == " " }
        guard essence.lowercased() == "application/json" else {
            throw Problem(.unsupportedMediaType, "\(type) is not taken here; send application/json")
        }
    }

    private static func collect(_ request: Request, _ bytesMax: Int) async throws(Problem)
        -> ByteBuffer
    {
        let tooLarge = Problem(
            .tooLarge, "the body has more than \(bytesMax) bytes, the limit for JSON")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > bytesMax {
            throw tooLarge
        }
        do {
            return try await request.body.collect(upTo: bytesMax)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch {
            throw Problem(.malformedJSON, "the body could not be read to its end: \(error)")
        }
    }

    private static func decode<Value>(
        _ buffer: ByteBuffer, _ read: (inout JSONReader) throws(JSONError) -> Value
    ) throws(Problem) -> Value {
        let result = buffer.withUnsafeReadableBytes { pointer -> Result<Value, JSONError> in
            do throws(JSONError) { return .success(try JSONReader.read(pointer.bytes, read)) } catch
            {
                return .failure(error)
            }
        }
        do throws(JSONError) { return try result.get() } catch { throw Problem(error) }
    }
}

extension Substring {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
        var text = self
        while let last = text.last, predicate(last) { text.removeLast() }
        return text
    }
}
