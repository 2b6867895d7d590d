-- Copyright: (c) 2026, jetson.thor contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- Finds the name of the model in the body of a request without decoding the body. memchr jumps over what stands between two quotes,
-- memmem over what stands between two parts of a form, so images cost next to nothing. Between slices it lets nginx serve others.

local ffi = require "ffi"

ffi.cdef [[
void *memchr(const void *text, int byte, size_t size);
void *memmem(const void *text, size_t size, const void *part, size_t part_size);
int open(const char *path, int flags);
int close(int file);
long lseek(int file, long offset, int from);
void *mmap(void *address, size_t size, int protection, int flags, int file, long offset);
int munmap(void *address, size_t size);
]]

local C = ffi.C
local BYTES = ffi.typeof "const uint8_t *"
local O_RDONLY, SEEK_END, PROT_READ, MAP_PRIVATE = 0, 2, 1, 2
local QUOTE, BACKSLASH, COLON, OPEN, CLOSE = 34, 92, 58, 123, 125
local SLICE_BYTES = 4 * 1024 * 1024
local SLICE_STEPS = 100000
local LONGEST_NAME = 512
local LONGEST_PART_HEADER = 2048

local _M = {}
local steps = 0

-- Lets nginx handle other events if this request has had its slice.
local function breathe(cost)
    steps = steps + cost
    if steps >= SLICE_STEPS then
        steps = 0
        ngx.sleep(0.001)
    end
end

-- The position of the next quote, or nil.
local function next_quote(body, from, size)
    while from < size do
        local length = math.min(size - from, SLICE_BYTES)
        local found = C.memchr(body + from, QUOTE, length)
        if found ~= nil then
            breathe(1 + (ffi.cast(BYTES, found) - (body + from)) * SLICE_STEPS / SLICE_BYTES)
            return tonumber(ffi.cast(BYTES, found) - body)
        end
        breathe(SLICE_STEPS)
        from = from + length
    end
end

-- The position of the quote that ends the text which begins at from, or nil.
local function end_of_text(body, from, size)
    local at = next_quote(body, from, size)
    while at do
        local before = at - 1
        while before >= from and body[before] == BACKSLASH do
            before = before - 1
            breathe(1)
        end
        if (at - before) % 2 == 1 then return at end
        at = next_quote(body, at + 1, size)
    end
end

local function skip_space(body, at, size)
    while at < size and (body[at] == 32 or (body[at] >= 9 and body[at] <= 13)) do
        at = at + 1
        breathe(1)
    end
    return at
end

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- A JSON text without its escapes. Characters beyond ASCII that are written as escapes stay as they are written: no name has them.
local function plain(text)
    return (text:gsub("\\(u?)(.)(%x?%x?%x?)", function(unicode, first, rest)
        if unicode == "u" then
            local code = tonumber(first .. rest, 16)
            return code and #rest == 3 and code < 128 and string.char(code) or nil
        end
        return (ESCAPES[first] or first) .. rest
    end))
end

-- The text between two positions; nil where it is too long for a name.
local function text_between(body, from, to)
    if to - from > LONGEST_NAME then return nil end
    return ffi.string(body + from, to - from)
end

-- The name behind a key "model" whose colon is at the given position, and where its text ends.
local function value_after(body, colon, size)
    local from = skip_space(body, colon + 1, size)
    if from == size or body[from] ~= QUOTE then return nil, nil, "model must be a text" end
    local to = end_of_text(body, from + 1, size)
    if not to then return nil, nil, "the body ends in the middle of a text" end
    local name = text_between(body, from + 1, to)
    if not name then return nil, nil, "the name of the model is too long" end
    return plain(name), to
end

-- What is checked here must be what the engine serves. Python's decoder also takes UTF-16 and UTF-32, whose first four bytes have zeros.
local function is_object(body, at, size)
    for first = 0, math.min(size, 4) - 1 do
        if body[first] == 0 then return false end
    end
    return at < size and body[at] == OPEN
end

-- The value of the key "model" of a JSON object: not of an object or a text inside it. Returns nil and the reason where there is none.
-- The last one of several would count for the engines; for somebody who reads the log, the first. They are refused.
function _M.of_json(body, size)
    local at = skip_space(body, 0, size)
    if not is_object(body, at, size) then return nil, "the body is not a JSON object in UTF-8" end
    local depth, model = 0, nil
    repeat
        local byte = body[at]
        if byte == QUOTE then
            local from = at + 1
            at = end_of_text(body, from, size)
            if not at then return nil, "the body ends in the middle of a text" end
            if depth == 1 then
                local colon = skip_space(body, at + 1, size)
                if colon < size and body[colon] == COLON and plain(text_between(body, from, at) or "") == "model" then
                    if model then return nil, "the body names model twice" end
                    local reason
                    model, at, reason = value_after(body, colon, size)
                    if not model then return nil, reason end
                end
            end
        elseif byte == OPEN or byte == 91 then
            depth = depth + 1
        elseif byte == CLOSE or byte == 93 then
            depth = depth - 1
        end
        at = at + 1
        breathe(1)
    until depth == 0 or at >= size
    if depth ~= 0 then return nil, "the body ends in the middle of an object" end
    if skip_space(body, at, size) < size then return nil, "the body goes on after its JSON object" end
    return model, not model and "the body names no model" or nil
end

-- The position of a part of the body, or nil.
local function find(body, from, size, part)
    while from + #part <= size do
        local length = math.min(size - from, SLICE_BYTES)
        local found = C.memmem(body + from, length, part, #part)
        breathe(1 + length * SLICE_STEPS / SLICE_BYTES)
        if found ~= nil then return tonumber(ffi.cast(BYTES, found) - body) end
        from = from + math.max(1, length - #part + 1)
    end
end

-- Whether the header of a part is that of the field "model"; a file of that name is not.
local function is_model_field(header)
    for line in header:gmatch "[^\r\n]+" do
        local disposition = line:match "^[Cc][Oo][Nn][Tt][Ee][Nn][Tt]%-[Dd][Ii][Ss][Pp][Oo][Ss][Ii][Tt][Ii][Oo][Nn]:%s*(.*)"
        if disposition then
            local name = disposition:match ';%s*[Nn][Aa][Mm][Ee]="([^"]*)"' or disposition:match ";%s*[Nn][Aa][Mm][Ee]=([^;%s]+)"
            return name == "model"
        end
    end
    return false
end

-- The value of the field "model" of a form. Returns nil and the reason where there is none.
function _M.of_form(body, size, content_type)
    local boundary = content_type:match '[Bb][Oo][Uu][Nn][Dd][Aa][Rr][Yy]="([^"]+)"' or content_type:match "[Bb][Oo][Uu][Nn][Dd][Aa][Rr][Yy]=([^;%s]+)"
    if not boundary then return nil, "the body is not a form (multipart/form-data)" end
    local delimiter, model = "\r\n--" .. boundary, nil
    local at = find(body, 0, math.min(size, #delimiter), delimiter:sub(3))
    if at ~= 0 then return nil, "the body does not begin with its boundary" end
    at = #delimiter - 2
    while size - at >= 2 and ffi.string(body + at, 2) ~= "--" do
        local blank = find(body, at, math.min(size, at + LONGEST_PART_HEADER), "\r\n\r\n")
        if not blank then return nil, "a part of the form has no end of its header" end
        local stop = find(body, blank + 2, size, delimiter)
        if not stop then return nil, "the body ends in the middle of a part" end
        if is_model_field(ffi.string(body + at, blank - at)) then
            if model then return nil, "the body names model twice" end
            model = text_between(body, math.min(blank + 4, stop), stop)
            if not model then return nil, "the name of the model is too long" end
        end
        at = stop + #delimiter
    end
    if size - at < 2 then return nil, "the body ends before its last boundary" end
    return model, not model and "the body names no model" or nil
end

local function nothing() end

-- The bytes of the body that nginx has read, in memory or in its file, how many there are, and what is to be called when they are no
-- longer needed. Until then the text or the mapping that holds them must be kept.
local function body_of_request()
    local text = ngx.req.get_body_data()
    if text then return ffi.cast(BYTES, text), #text, nothing, text end
    local path = ngx.req.get_body_file()
    if not path then return ffi.cast(BYTES, ""), 0, nothing end
    local file = C.open(path, O_RDONLY)
    if file < 0 then error("cannot read the body of the request") end
    local size = tonumber(C.lseek(file, 0, SEEK_END))
    local address = C.mmap(nil, size, PROT_READ, MAP_PRIVATE, file, 0)
    C.close(file)
    if ffi.cast("intptr_t", address) == -1 then error("cannot map the body of the request") end
    local function unmap(mapped) C.munmap(mapped, size) end
    address = ffi.gc(address, unmap) -- for requests that end in an error
    return ffi.cast(BYTES, address), size, function() unmap(ffi.gc(address, nil)) end, address
end

-- The name of the model in the request's body. Returns nil and the reason where there is none.
function _M.of_request(is_form)
    local bytes, size, release, holder = body_of_request()
    local name, reason
    if is_form then
        name, reason = _M.of_form(bytes, size, ngx.var.content_type or "")
    else
        name, reason = _M.of_json(bytes, size)
    end
    release(holder)
    return name, reason
end

return _M
