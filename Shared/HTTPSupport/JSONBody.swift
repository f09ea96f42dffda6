import HTTPTypes
import Hummingbird
import LedgerCore
import NIOCore
import TextFormats

/// A request's body, of the type and size that a route takes.
package enum JSONBody {
    package static let mediaType = "application/json"

    /// Reads one JSON document.
    ///
    /// - Throws: `Problem`: `unsupported_media_type`, `too_large` naming the limit,
    /// `malformed_json`, `invalid_field`.
    package static func read<Value>(
        _ request: Request, bytesMax: Int, _ read: (inout JSONReader) throws(JSONError) -> Value
    ) async throws(Problem) -> Value {
        try ContentType.check(request, is: mediaType)
        let buffer = try await collect(request, bytesMax: bytesMax, limit: "JSON")
        return try decode(buffer, read)
    }

    /// The whole body.
    ///
    /// - Parameter limit: what the limit is for, as the problem says it.
    package static func collect(_ request: Request, bytesMax: Int, limit: String)
        async throws(Problem) -> ByteBuffer
    {
        // A client that says beforehand that it is too much need not send it.
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > bytesMax {
            throw .tooLarge("the body", bytesMax: bytesMax, limit: limit)
        }
        do {
            return try await request.body.collect(upTo: bytesMax)
        } catch is NIOTooManyBytesError {
            throw .tooLarge("the body", bytesMax: bytesMax, limit: limit)
        } catch {
            throw Problem(.malformedJSON, "the body could not be read to its end: \(error)")
        }
    }

    /// Reads one JSON document from bytes that have been collected: a body, or a line of one.
    package static func decode<Value>(
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

/// What a body says that it is.
package enum ContentType {
    /// - Throws: `Problem` `unsupported_media_type` unless the request's body is of this type, with
    /// whatever parameters.
    package static func check(_ request: Request, is expected: String) throws(Problem) {
        _ = try check(request, among: [expected])
    }

    /// - Returns: which of these types the request's body is of, with whatever parameters but
    ///   another character set than UTF-8.
    /// - Throws: `Problem` `unsupported_media_type` naming them all, for any other, and for a body
    ///   that is compressed.
    package static func check(_ request: Request, among accepted: [String]) throws(Problem)
        -> String
    {
        try checkEncoding(request)
        let given = request.headers[.contentType]
        // Nearly every client writes it exactly so.
        if let exact = accepted.first(where: { $0 == given }) { return exact }
        let advice = "send \(accepted.joined(separator: " or "))"
        guard let given else {
            throw unsupported("the request has no Content-Type; \(advice)", accepted)
        }
        let essence = essence(given)
        guard let found = accepted.first(where: { $0 == essence }) else {
            let shown = given.quotedForMessage
            throw unsupported("the Content-Type \(shown) is not taken here; \(advice)", accepted)
        }
        if let charset = charset(given), charset != "utf-8" {
            throw unsupported(
                "the character set \(charset.quotedForMessage) is not taken here; send UTF-8",
                accepted)
        }
        return found
    }

    /// A body is taken as it is: one that says that it is compressed would be read as what it is not.
    private static func checkEncoding(_ request: Request) throws(Problem) {
        guard let encoding = request.headers[.contentEncoding],
            encoding.lowercased() != "identity"
        else { return }
        var problem = Problem(
            .unsupportedMediaType,
            "the Content-Encoding \(encoding.quotedForMessage) is not taken here; send the body as it is"
        )
        // As RFC 9110, section 12.5.3, has it in an answer.
        problem.headers[.acceptEncoding] = "identity"
        throw problem
    }

    /// The parameter `charset`, in small letters (RFC 9110, section 8.3.2); nil where there is none.
    private static func charset(_ type: String) -> String? {
        for parameter in type.lowercased().split(separator: ";").dropFirst() {
            let parts = parameter.split(separator: "=", maxSplits: 1).map { part in
                part.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
            }
            if parts.count == 2, parts[0] == "charset" { return parts[1] }
        }
        return nil
    }

    private static func unsupported(_ detail: String, _ accepted: [String]) -> Problem {
        var problem = Problem(.unsupportedMediaType, detail)
        // As RFC 9110, section 12.5.1, has it in an answer.
        problem.headers[.accept] = accepted.joined(separator: ", ")
        return problem
    }

    /// Type and subtype alone, in small letters (RFC 9110, section 8.3.1).
    package static func essence(_ type: String) -> String {
        var essence = type.prefix { $0 != ";" }
        while let last = essence.utf8.last, last == 0x20 || last == 0x09 {
            essence = essence.dropLast()
        }
        return essence.lowercased()
    }
}
