import LedgerCore
import Observability
import Testing

/// The rules of W3C Trace Context, level 1 (w3.org/TR/trace-context), with its own examples.
@Suite struct TraceContextTests {
    private static let example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    private func state(_ headers: [String]) throws -> String {
        try #require(TraceContext(traceparent: Self.example, tracestate: headers)).state
    }

    @Test func `the recommendation's example is read, and written as it was`() throws {
        let context = try #require(TraceContext(traceparent: Self.example))
        #expect(context.traceID.hexadecimal == "0af7651916cd43dd8448eb211c80319c")
        #expect(context.spanID.hexadecimal == "b7ad6b7169203331")
        #expect(context.isSampled)
        #expect(context.traceparent == Self.example)
        let not = try #require(TraceContext(traceparent: "\(Self.example.dropLast())0"))
        #expect(!not.isSampled)
    }

    @Test(arguments: [
        // Lengths.
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
        // Version 00 ends behind its flags.
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
        // A later version goes on behind a dash only.
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what",
        // No version ff, and none that is no number.
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0.-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        // Zeros.
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        // Large letters, and what is no digit.
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
        "00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333.-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.1",
        // Other separators, and spaces around.
        "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
    ])
    func `what breaks a rule counts as none`(_ text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test(arguments: [
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
    ])
    func `a later version is read as far as it is known, and passed on as ours`(_ text: String)
        throws
    {
        #expect(try #require(TraceContext(traceparent: text)).traceparent == Self.example)
    }

    @Test func `flags that are not known are not passed on`() throws {
        let all = try #require(TraceContext(traceparent: "\(Self.example.dropLast(2))ff"))
        #expect(all.isSampled && all.traceparent == Self.example)
        let others = try #require(TraceContext(traceparent: "\(Self.example.dropLast(2))fe"))
        #expect(!others.isSampled && others.flags == 0)
    }

    @Test func `a trace state is passed on as it came, several headers as one`() throws {
        #expect(try state(["rojo=00f067aa0ba902b7"]) == "rojo=00f067aa0ba902b7")
        #expect(
            try state(["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"])
                == "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
        #expect(try state(["foo=1", "bar=2"]) == "foo=1,bar=2")
        #expect(try state(["foo=1 ,\tbar=2"]) == "foo=1 ,\tbar=2")
        #expect(try state(["foo=1,,bar=2", ""]) == "foo=1,,bar=2,")
        #expect(try state(["tenant@system=x", "0a@b=y"]) == "tenant@system=x,0a@b=y")
        #expect(try state(["a_-*/9=!~ x"]) == "a_-*/9=!~ x")
        #expect(try state([]) == "")
    }

    @Test(arguments: [
        "foo", "=1", "foo=", "Foo=1", "9foo=1", "foo@=1", "@foo=1", "foo@9bar=1", "foo@bar@baz=1",
        "foo =1", "foo=1=2", "foo=1,foo=2", "foo=\u{7F}", "foo=bär", "föö=1", "foo$=1",
    ])
    func `a trace state that breaks a rule is left out, and the parent stays`(_ text: String) throws
    {
        #expect(try state([text]) == "", "\(text)")
    }

    @Test func `32 members are passed on, and 33 are not`() throws {
        let members = (0..<33).map { "k\($0)=1" }
        #expect(
            try state([members.dropLast().joined(separator: ",")]).split(separator: ",").count == 32
        )
        #expect(try state([members.joined(separator: ",")]) == "")
        #expect(try state(members) == "")
    }

    @Test func `keys have up to 256 bytes, tenants 241 and systems 14`() throws {
        let key = String(repeating: "k", count: 256)
        #expect(try state(["\(key)=1"]) == "\(key)=1")
        #expect(try state(["k\(key)=1"]) == "")
        let tenant = String(repeating: "t", count: 241)
        let system = String(repeating: "s", count: 14)
        #expect(try state(["\(tenant)@\(system)=1"]) == "\(tenant)@\(system)=1")
        #expect(try state(["t\(tenant)@\(system)=1"]) == "")
        #expect(try state(["t@s\(system)=1"]) == "")
    }

    @Test func `of a state that is too long the long members go first, then the oldest`() throws {
        let long = "long=" + String(repeating: "x", count: 200)
        let short = (0..<10).map { "k\($0)=" + String(repeating: "y", count: 40) }
        let all = [long] + short
        #expect(try state([all.joined(separator: ",")]) == short.joined(separator: ","))
        let many = (0..<32).map { "k\($0)=" + String(repeating: "y", count: 30) }
        let kept = try state([many.joined(separator: ",")]).split(separator: ",").map(String.init)
        #expect(kept == Array(many.prefix(kept.count)))
        #expect(kept.count > 10 && kept.joined(separator: ",").utf8.count <= 512)
    }
}
