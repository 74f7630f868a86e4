"""Writes the workbook of scripts/interop.mjs with openpyxl: python3 scripts/interop-openpyxl.py FOLDER"""
import datetime
import sys

from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

folder = sys.argv[1]


def write(name, epoch=None):
    book = Workbook()
    if epoch is not None:
        book.epoch = epoch
    sheet = book.active
    sheet.title = 'Members'
    formats = {3: 'yyyy-mm-dd', 4: 'dd.mm.yyyy hh:mm:ss', 5: 'hh:mm', 6: '[h]:mm:ss', 8: '0.0%', 11: '00000'}
    values = [
        'Name', 'Zoë Müller\nline two', datetime.date(2027, 3, 14), datetime.datetime(1999, 12, 31, 23, 59, 58),
        datetime.time(6, 30), datetime.timedelta(hours=49, minutes=15), 0.7 + 0.1, 0.375, '00042', 987654321098765,
        501, True, '=1/0', '="x"&"y"', -12.5, '  both  ',
    ]
    for row, value in enumerate(values, start=1):
        cell = sheet.cell(row=row, column=2, value=value)
        if row in formats:
            cell.number_format = formats[row]
    sheet.merge_cells('B16:C17')
    sheet.cell(row=20, column=4, value='far')
    hidden = book.create_sheet('Notes')
    hidden['A1'] = 'hidden'
    hidden.sheet_state = 'hidden'
    book.save(f'{folder}/{name}.xlsx')


write('openpyxl')
write('openpyxl-1904', CALENDAR_MAC_1904)
