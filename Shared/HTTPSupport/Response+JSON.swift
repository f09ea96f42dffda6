import HTTPTypes
import Hummingbird
import NIOCore
import TextFormats

extension JSONWriter {
    /// A copy of what has been written so far, to be sent.
    package borrowing func buffer() -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        withBytes { _ = buffer.writeBytes($0) }
        return buffer
    }
}

extension Response {
    // A constant of ours, and valid.
    private static let link = HTTPField.Name("Link")

    /// An answer of one JSON document.
    package static func json(
        _ json: borrowing JSONWriter, status: HTTPResponse.Status = .ok,
        contentType: String = "application/json"
    ) -> Response {
        let buffer = json.buffer()
        return Response(
            status: status,
            headers: [.contentType: contentType, .contentLength: String(buffer.readableBytes)],
            body: ResponseBody(byteBuffer: buffer))
    }

    /// An answer of one JSON object, written by the closure.
    package static func object(
        status: HTTPResponse.Status = .ok, _ body: (inout JSONWriter) -> Void
    ) -> Response {
        var json = JSONWriter()
        json.object(body)
        return .json(json, status: status)
    }

    /// A page of a list: `{"items":[…],"next":"cursor"}`, with the next page's address as a link
    /// (RFC 8288).
    ///
    /// - Parameter members: writes what this list says beside its items.
    package static func page<Item>(
        _ items: [Item], next: String?, of request: Request,
        _ write: (inout JSONWriter, Item) -> Void, members: (inout JSONWriter) -> Void = { _ in }
    ) -> Response {
        var response = object { json in
            json.name("items")
            json.array(of: items, write)
            json.name("next")
            if let next { json.value(next) } else { json.null() }
            members(&json)
        }
        if let next, let link {
            response.headers[link] = "<\(nextPage(next, of: request))>; rel=\"next\""
        }
        return response
    }

    /// The same address with another cursor: whatever else was asked for goes with it.
    private static func nextPage(_ cursor: String, of request: Request) -> String {
        let others = (request.uri.query ?? "").split(separator: "&").filter {
            !$0.hasPrefix("cursor=")
        }
        return request.uri.path + "?"
            + (others + ["cursor=\(percentEncoded(cursor))"]).joined(separator: "&")
    }

    /// RFC 3986, section 2.3: everything but unreserved characters.
    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                result += "%"
                result.append(digits[Int(byte >> 4)])
                result.append(digits[Int(byte & 15)])
            }
        }
    }
}
