import LedgerCore

/// What the merged ledger says of some of the accounts that an agent uses, at one position of the
/// hub's log.
///
/// Messages of a session are numbered, and a full set of the agent's accounts begins with each
/// `roundStart`: who has every number from there on has every account. A message without accounts
/// brings nothing new: it repeats the last number, so that the loss of that message is noticed.
package struct AccountSnapshot: Hashable, Sendable {
    package struct Balance: Hashable, Sendable {
        package let asset: Asset
        /// In the asset's smallest unit, never negative.
        package let input: Int128
        package let output: Int128

        /// - Precondition: neither is negative.
        package init(asset: Asset, input: Int128, output: Int128) {
            precondition(input >= 0 && output >= 0, "sums of positive amounts are not negative")
            self.asset = asset
            self.input = input
            self.output = output
        }
    }

    package struct Account: Hashable, Sendable {
        package let address: AccountAddress
        package let balances: [Balance]

        /// - Precondition: at most `balancesMax` balances.
        package init(address: AccountAddress, balances: [Balance]) {
            precondition(
                balances.count <= AccountSnapshot.balancesMax,
                "an account of a message has at most \(AccountSnapshot.balancesMax) balances, "
                    + "not \(balances.count)")
            self.address = address
            self.balances = balances
        }
    }

    /// How far a stream of the agent's own is counted in.
    package struct Included: Hashable, Sendable {
        package let stream: StreamTag
        /// Its last event that is counted; 0 for none.
        package let through: UInt64

        package init(stream: StreamTag, through: UInt64) {
            self.stream = stream
            self.through = through
        }
    }

    package static let includedMax = 64
    package static let accountsMax = 4096
    /// Of one account in one message; what an account has beyond follows in the next.
    package static let balancesMax = 1024

    /// Whose log it is, and the last position of it that is counted.
    package var hub: StreamTag
    package var position: UInt64
    /// By the aggregator's clock.
    package var takenAt: Timestamp
    /// The hub's hybrid clock, which agents follow; 0 where none is said.
    package var clock: HybridTimestamp
    /// The stream of the session first, and then others of the agent's.
    package var included: [Included]
    /// From 1 in each session.
    package var number: UInt64
    package var roundStart: UInt64
    package var accounts: [Account]

    /// - Precondition: at most `includedMax` streams and `accountsMax` accounts.
    package init(
        hub: StreamTag, position: UInt64, takenAt: Timestamp,
        clock: HybridTimestamp = HybridTimestamp(rawValue: 0), included: [Included],
        number: UInt64, roundStart: UInt64, accounts: [Account]
    ) {
        self.hub = hub
        self.position = position
        self.takenAt = takenAt
        self.clock = clock
        self.included = included
        self.number = number
        self.roundStart = roundStart
        self.accounts = accounts
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            included.count <= AccountSnapshot.includedMax,
            "a snapshot includes at most \(AccountSnapshot.includedMax) streams, "
                + "not \(included.count)")
        precondition(
            accounts.count <= AccountSnapshot.accountsMax,
            "a snapshot has at most \(AccountSnapshot.accountsMax) accounts, not \(accounts.count)")
    }

    /// The stream of whose session it is.
    package var stream: StreamTag? { included.first?.stream }

    /// The last event of a stream that is counted; nil where the snapshot does not say.
    package func included(_ stream: StreamTag) -> UInt64? {
        included.first { $0.stream == stream }?.through
    }
}

/// An agent asks for account snapshots: all of its accounts again, because some were lost, or
/// accounts that it has no events of.
package struct AccountRequest: Hashable, Sendable {
    package static let accountsMax = 64

    package var stream: StreamTag
    package var wantsAll: Bool
    package var accounts: [AccountAddress]

    /// - Precondition: at most `accountsMax` accounts.
    package init(stream: StreamTag, wantsAll: Bool, accounts: [AccountAddress]) {
        self.stream = stream
        self.wantsAll = wantsAll
        self.accounts = accounts
        checkLimits()
    }

    private func checkLimits() {
        precondition(
            accounts.count <= AccountRequest.accountsMax,
            "a request names at most \(AccountRequest.accountsMax) accounts, not \(accounts.count)")
    }
}

// MARK: Bytes

extension AccountSnapshot: FrameBody {
    package static let kind = Frame.Kind.accountSnapshot

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(hub.rawValue)
        writer.fixed(position)
        writer.fixed(takenAt.microseconds)
        writer.fixed(clock.rawValue)
        writer.varint(UInt64(included.count))
        for one in included {
            writer.fixed(one.stream.rawValue)
            writer.fixed(one.through)
        }
        writer.fixed(number)
        writer.fixed(roundStart)
        writer.varint(UInt64(accounts.count))
        for account in accounts {
            writer.text(account.address.description)
            writer.varint(UInt64(account.balances.count))
            for balance in account.balances {
                writer.text(balance.asset.description)
                writer.longVarint(balance.input)
                writer.longVarint(balance.output)
            }
        }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        hub = try reader.streamTag()
        position = try reader.fixed()
        takenAt = Timestamp(microseconds: try reader.fixed())
        clock = HybridTimestamp(rawValue: try reader.fixed())
        included = []
        let limit = AccountSnapshot.includedMax
        for _ in 0..<(try reader.length("the number of included streams", limit: limit)) {
            included.append(
                Included(stream: try reader.streamTag(), through: try reader.fixed()))
        }
        number = try reader.fixed()
        roundStart = try reader.fixed()
        accounts = []
        let count = try reader.length(
            "the number of accounts", limit: AccountSnapshot.accountsMax)
        for _ in 0..<count { accounts.append(try Account(from: &reader)) }
    }

    /// What an account takes in the message, at most, in bytes.
    package static func byteCountBound(_ account: Account) -> Int {
        account.balances.reduce(2 + account.address.description.utf8.count + 2) {
            $0 + 1 + $1.asset.description.utf8.count + 2 * ByteWriter.longVarintBytesMax
        }
    }
}

extension AccountSnapshot.Account {
    fileprivate init(from reader: inout ByteReader) throws(WireError) {
        address = try reader.account()
        var balances: [AccountSnapshot.Balance] = []
        let limit = AccountSnapshot.balancesMax
        for _ in 0..<(try reader.length("the number of balances", limit: limit)) {
            balances.append(
                AccountSnapshot.Balance(
                    asset: try reader.asset(), input: try reader.longVarint(),
                    output: try reader.longVarint()))
        }
        self.balances = balances
    }
}

extension AccountRequest: FrameBody {
    package static let kind = Frame.Kind.accountRequest

    func encode(into writer: inout ByteWriter) {
        checkLimits()
        writer.fixed(stream.rawValue)
        writer.u8(wantsAll ? 1 : 0)
        writer.varint(UInt64(accounts.count))
        for account in accounts { writer.text(account.description) }
    }

    init(from reader: inout ByteReader) throws(WireError) {
        stream = try reader.streamTag()
        wantsAll = try reader.flag("whether all accounts are wanted")
        accounts = []
        let count = try reader.length("the number of accounts", limit: AccountRequest.accountsMax)
        for _ in 0..<count { accounts.append(try reader.account()) }
    }
}

extension ByteWriter {
    /// 127 bits, seven a byte.
    fileprivate static let longVarintBytesMax = 19

    /// - Precondition: not negative.
    fileprivate mutating func longVarint(_ value: Int128) {
        var value = UInt128(value)
        while value >= 0x80 {
            u8(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        u8(UInt8(truncatingIfNeeded: value))
    }
}

extension ByteReader {
    fileprivate mutating func longVarint() throws(WireError) -> Int128 {
        var value: UInt128 = 0
        var shift: UInt128 = 0
        while true {
            let byte = try u8()
            guard shift < 126 || byte <= 1 else {
                throw failure(.invalid(what: "a sum of more than 127 bits"))
            }
            value |= UInt128(byte & 0x7F) << shift
            if byte < 0x80 {
                guard byte > 0 || shift == 0 else {
                    throw failure(.invalid(what: "a number written longer than it need be"))
                }
                return Int128(value)
            }
            shift += 7
        }
    }

    fileprivate mutating func account() throws(WireError) -> AccountAddress {
        let name = try text("an account", limit: AccountAddress.lengthMax)
        do throws(InvalidValue) { return try AccountAddress(name) } catch {
            throw failure(.invalid(what: "an account (\(error.description))"))
        }
    }

    fileprivate mutating func asset() throws(WireError) -> Asset {
        let name = try text("an asset", limit: Definition.textBytesMax)
        do throws(InvalidValue) { return try Asset(name) } catch {
            throw failure(.invalid(what: "an asset (\(error.description))"))
        }
    }
}
